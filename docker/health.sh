#!/bin/bash
# Exits 0 if the server in this container can answer requests: /readyz says 200. The images have no curl.
# usage: genseg-health [PORT]
set -eu
exec 3<>"/dev/tcp/127.0.0.1/${1:-8080}"
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
IFS= read -r -t 8 status <&3
echo "${status%$'\r'}"
[[ $status == "HTTP/1.1 200 "* ]]
