#!/bin/bash
# Boots examples/vm.yaml behind the datapath, shows that its packets flow both ways, and takes everything
# down. Ends with 1 when anything doesn't hold. `make demo` builds what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tapir=bin/tapir
vm=demo
log=/run/tapir/vms/$vm/qemu/console.log
failures=0

heading() { printf '\n\e[1m%s\e[0m  (%ds)\n' "$1" "$SECONDS"; }
indent() { sed 's/^/    /'; }

# check WHAT COMMAND...: whether the command succeeds; what it says is shown.
check() {
	local what=$1 output result=ok
	shift
	output=$("$@" 2>&1) || { result=FAIL failures=$((failures + 1)); }
	printf '%-4s  %s\n' "$result" "$what"
	[[ -z $output ]] || indent <<<"$output"
}

# retry COMMAND...: tries for a minute.
retry() {
	local end=$((SECONDS + 60))
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || { "$@"; return; }
		sleep 0.1
	done
}

# leases: what the guest has printed about its addresses, once it has them all.
leases() {
	local word
	for word in lease4 lease6 route6 ready; do grep -q "TAPIR-GUEST $word" "$log" || return; done
	sed -n 's/\r$//; s/.*TAPIR-GUEST \(lease\|route\)/\1/p' "$log" # a prompt may stand before it
}

# guest COMMAND: runs it in the guest's shell, over its serial console.
guest() {
	local line code=1 console_PID=
	coproc console { exec "$tapir" console "$vm"; }
	printf '\n%s 2>&1; echo "DONE"=$?\n' "$1" >&"${console[1]}"
	while IFS= read -r -t 30 line <&"${console[0]}"; do
		line=${line%$'\r'}
		case $line in
		DONE=*) code=${line#DONE=} && break ;;
		*'"DONE"'* | *'# '* | '') ;; # the prompt, and the command's own echo
		*) printf '%s\n' "$line" ;;
		esac
	done
	kill "$console_PID" # the console serves one at a time
	wait "$console_PID" || true
	return "$code"
}

# nothing COMMAND...: whether the command prints nothing.
nothing() {
	local output
	output=$("$@") || return
	printf '%s' "$output"
	[[ -z $output ]]
}

cleanup() { [[ ! -e /run/tapir/vms/$vm ]] || "$tapir" stop --force "$vm"; }

[[ $EUID == 0 ]] || { echo "demo.sh: network namespaces and BPF need root: try again with sudo" >&2; exit 1; }
[[ ! -e /run/tapir/vms/$vm ]] || { echo "demo.sh: a VM called $vm runs here already: bin/tapir stop $vm" >&2; exit 1; }
trap cleanup EXIT

heading "tapir run -d -f examples/vm.yaml"
"$tapir" run -d -f examples/vm.yaml

heading "What the guest was given by DHCPv4, DHCPv6 and router advertisement"
retry leases >/dev/null
check "the guest has its addresses" leases
mapfile -t pod < <("$tapir" status -o json "$vm" | jq -r '.vms[0].podIPs[]')
netns=$("$tapir" status -o json "$vm" | jq -r '.vms[0].netns')
veth=$(jq -r .hostNIC "/run/tapir/pods/$(basename "$netns").json")
qemu=$(jq -r .pid "/run/tapir/vms/$vm/qemu/vm.json")
read -r gateway4 gateway6 < <(sed -n 's/.*TAPIR-GUEST lease[46].* dns \([^ ]*\).*/\1/p' "$log" | paste -sd' ')

heading "Ping: host to guest, guest to host"
check "host -> ${pod[0]}" ping -nqc 3 -i 0.2 "${pod[0]}"
check "host -> ${pod[1]}" ping -nqc 3 -i 0.2 "${pod[1]}"
check "guest -> $gateway4" guest "ping -qc 3 $gateway4"
check "guest -> $gateway6" guest "ping -qc 3 $gateway6"

heading "The guest's web server: by pod address, and by loopback in the pod"
in_pod() { nsenter --net="$netns" "$@"; }
fetch() { curl -gsS --max-time 5 "$1"; }
check "http://${pod[0]}/" fetch "http://${pod[0]}/"
check "http://[${pod[1]}]/" fetch "http://[${pod[1]}]/"
check "http://127.0.0.1/ in the pod" in_pod curl -gsS --max-time 5 http://127.0.0.1/
check "http://[::1]/ in the pod" in_pod curl -gsS --max-time 5 "http://[::1]/"

heading "Names: what the host resolves, the guest does"
check "$(hostname)" guest "nslookup $(hostname)"

heading "No nftables rule and no bridge in the pod"
check "nft list ruleset" nothing in_pod nft list ruleset
check "ip link show type bridge" nothing in_pod ip link show type bridge

heading "What the datapath saw"
check "tapir status" "$tapir" status "$vm"
check "tapir flows" "$tapir" flows "$vm"
check "tapir drops" "$tapir" drops "$vm"

heading "tapir stop $vm"
check "the guest powers down" "$tapir" stop "$vm"
datapaths() { "$tapir" status -o json | jq -r --arg netns "$netns" '.nics[] | select(.config.netns == $netns)'; }
translation() { nft list tables inet | sed -n '/^table inet tapir$/p'; }
check "no VM is left" test ! -e "/run/tapir/vms/$vm"
check "no network namespace is left" test ! -e "$netns"
check "no QEMU is left" test ! -e "/proc/$qemu"
check "no veth is left" test ! -e "/sys/class/net/$veth"
if [[ $("$tapir" status -o json | jq '.vms | length') == 0 ]]; then
	check "no nftables table is left" nothing translation
fi
check "no datapath is left" nothing datapaths

heading "Done"
if ((failures > 0)); then
	echo "$failures checks failed" >&2
	exit 1
fi
echo "everything holds"
