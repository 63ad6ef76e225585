"""Development tools that the Makefile calls; nothing at run time imports them."""
