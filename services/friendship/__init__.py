"""Who is whose friend: people, friend requests, friendships and blocks."""
