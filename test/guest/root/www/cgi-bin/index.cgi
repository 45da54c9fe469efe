#!/bin/sh
# The guest's page: who it is, and whom it sees.
printf 'Content-Type: text/plain\r\n\r\n'
client=${REMOTE_ADDR#\[}
client=${client%\]}
echo "Hello from $(hostname), to ${client#::ffff:}"
