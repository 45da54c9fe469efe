#!/bin/bash
# The CNI plugin ptp in a pod whose IPv6 addresses can be used at once: by itself it waits up to two seconds for
# duplicate address detection, on a link where there is nobody else.
set -euo pipefail
if [[ $CNI_COMMAND == ADD ]]; then
	nsenter --net="$CNI_NETNS" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
fi
exec "${0%/*}/ptp"
