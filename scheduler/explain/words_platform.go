package explain

// platformWords: the machine, and what is looked at before anything is installed.
var platformWords = map[string]Words{
	"ApplicationContainer":    {"This is a container, not a machine: what is installed in it isn't on the host.", "Run the agent on the host: the Mesos task without a container image."},
	"ClientOnlyPlatform":      {"The vendor supports only clients on this system, and the node was given disks or a manager to carry.", "Set `allow-unsupported` if you accept that, or give the role to another node (Mesos attribute scaleio-role)."},
	"ImmutablePlatform":       {"This system's /usr is read-only in a way that takes nothing from us.", "See \"Supported systems\" in the README."},
	"NoSystemExtensions":      {"This system is too old to take extensions of its read-only /usr.", "Update it to Flatcar 3185 or later."},
	"NoSystemd":               {"systemd isn't the first process here.", "Use a system that boots with systemd."},
	"NoPackageTool":           {"Neither dpkg nor rpm is there.", "Use a supported system: `scaleio-agent detect` names them."},
	"NoMachineID":             {"/etc/machine-id is empty: the machine can't be told from others.", "`systemd-machine-id-setup`, then restart the agent."},
	"ProductTooOld":           {"This system needs a newer product than the manifest has.", "Put packages of version 3.0 or later into the manifest."},
	"UnsupportedArchitecture": {"The product exists for amd64 only.", "Leave this machine out (agents-match)."},
	"UnsupportedPlatform":     {"The product isn't made for this operating system.", "Use one that the README lists, or leave this machine out (agents-match)."},
	"UnsupportedSpec":         {"The scheduler asked for something that this agent's version doesn't know; it does nothing.", "Bring scheduler and agent to neighbouring versions."},
	"PortTaken":               {"Another program has a network port that the product needs.", "Stop that program on {node}, or have the managers elsewhere (Mesos attribute scaleio-role)."},
	"PortForeign":             {"On another node something answers on the product's port that isn't our agent, or that node doesn't expect this one.", "See what has the port there: `ss -ltnp` on that node; see that no NAT stands between."},
	"PortUnreachable":         {"This node can't reach another one on a port that the product needs.", "Open TCP 6611, 9011, 7072 and 443 between all nodes: security groups, firewalls, routes."},
	"NobodyThere":             {"Another node hasn't opened its port yet.", ""},
	"MTUTooSmall":             {"Small packets reach the other node and large ones get lost on the way: storage would hang under load.", "Set one MTU on both nodes and everything between, or let ICMP \"fragmentation needed\" through."},
	"PeersReached":            {"This node reaches the others; they still try.", "Look at the other managers' nodes: `scaleio-scheduler status`."},
	"PeersUnchecked":          {"Whether the nodes reach each other is about to be tried.", ""},
	"NoSpace":                 {"There is too little room on the disk for packages and logs.", "Make room where the message says."},
	"TooLittleMemory":         {"The machine has too little memory for what it is to carry.", "Give it more, or give the role to another (Mesos attribute scaleio-role)."},
	"ClockSkew":               {"This node's clock and the scheduler's differ by more than 30 seconds: certificates and logs suffer.", "Have both follow the same time servers: `timedatectl` on {node} shows whether it does."},
	"NameConflict":            {"Two nodes have the same host name.", "Give one of them another name and restart its agent."},
	"AddressConflict":         {"Two nodes say that they have the same address.", "Give one of them another address."},
}
