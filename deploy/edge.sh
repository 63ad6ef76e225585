#!/bin/sh
# Runs Envoy. If it was given no certificate, it makes one for this machine first, which no browser trusts.
set -eu

tls=/run/tls
if [ ! -e "$tls/cert.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$tls/key.pem" -out "$tls/cert.pem"
fi
exec envoy --config-path /etc/envoy/envoy.yaml --log-level warning
