#!/bin/sh
# The guest's page: who it is, and whom it sees.
printf 'Content-Type: text/plain\r\n\r\n'
echo "Hello from $(hostname), to $REMOTE_ADDR"
