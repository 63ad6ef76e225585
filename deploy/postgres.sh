#!/bin/sh
# Gives each service a database and a role of its own, when the server is started for the first time.
set -eu

for service in friendship messaging; do
    case $service in
    friendship) password=$FRIENDSHIP_PASSWORD ;;
    messaging) password=$MESSAGING_PASSWORD ;;
    esac
    psql --set ON_ERROR_STOP=1 --set service="$service" --set password="$password" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service" TEMPLATE template0 ENCODING 'UTF8';
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
done
