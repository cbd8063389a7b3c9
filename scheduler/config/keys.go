package config

import "scaleio-framework/scheduler/api"

// A key of the configuration. It parses into the Config that it was made for.
type key struct {
	name     string // as in the file and the flag; the environment variable is made of it
	group    string
	fallback string
	help     string
	set      func(text string) error
	envOnly  bool // a secret: never in the file or in argv
}

// keys of c, in the order of the reference.
func keys(c *Config) []key {
	return append([]key{
		{name: "mesos-masters", group: "Mesos", help: "URLs of the Mesos masters, comma separated; any of them leads to the leader. Or where they register: zk://HOST:PORT,HOST:PORT/mesos. Needed.", set: masters(&c.MesosMasters)},
		{name: "mesos-principal", group: "Mesos", help: "Principal to authenticate as.", set: text(&c.MesosPrincipal)},
		{name: "mesos-secret-file", group: "Mesos", help: "File with the principal's secret.", set: text(&c.MesosSecretFile)},
		{name: "mesos-secret", group: "Mesos", help: "The principal's secret, as Marathon gives it. A file wins.", set: secret(&c.MesosSecret), envOnly: true},
		{name: "mesos-role", group: "Mesos", fallback: "scaleio", help: "Role whose offers are taken.", set: word(&c.MesosRole)},
		{name: "framework-name", group: "Mesos", fallback: "scaleio", help: "Name of the framework. With the principal it is how an empty store tells whether there was a scheduler before.", set: word(&c.FrameworkName)},
		{name: "failover-timeout", group: "Mesos", fallback: "4w", help: "How long Mesos keeps our tasks while no scheduler is there.", set: duration(&c.FailoverTimeout)},
		{name: "agents-match", group: "Mesos", help: "Attributes that a Mesos agent must have to be used, as name=glob, comma separated. Empty: all.", set: pairs(&c.AgentsMatch)},
		{name: "reserve-mdm", group: "Mesos", fallback: "1 cpus, 3072 MB", help: "What the task of a node that may carry an MDM and a gateway reserves, since their daemons run outside its container.", set: resources(&c.ReserveMDM)},
		{name: "reserve-data", group: "Mesos", fallback: "0.5 cpus, 1024 MB", help: "The same for a node with data alone. Smaller nodes are refused.", set: resources(&c.ReserveData)},

		{name: "listen", group: "Server", help: "Address of the HTTPS port. Default: :$PORT0, else :9443.", set: text(&c.Listen)},
		{name: "public-urls", group: "Server", help: "https URLs under which agents reach this scheduler, comma separated. Default: https://$HOST:$PORT0.", set: httpsURLs(&c.PublicURLs)},
		{name: "state-dir", group: "Server", fallback: "/var/lib/scaleio-scheduler", help: "Directory of the store, and of ca.pem for people. Never lose it; never share it. With state in ZooKeeper nothing in it is needed again.", set: filled(&c.StateDir)},
		{name: "state", group: "Server", help: "zk://HOST:PORT,HOST:PORT/PATH: keep the store in ZooKeeper, so that the scheduler may run on any host. Default: a file in the state directory.", set: zooKeeper(&c.State)},
		{name: "zk-auth-file", group: "Server", help: "File with user:password for ZooKeeper; the records are closed to everybody else.", set: text(&c.ZKAuthFile)},
		{name: "zk-auth", group: "Server", help: "The same, as Marathon gives it. A file wins.", set: secret(&c.ZKAuth), envOnly: true},
		{name: "zk-open", group: "Server", fallback: "false", help: "Leave the records in ZooKeeper open to everybody who reaches it.", set: boolean(&c.ZKOpen)},
		{name: "zk-session", group: "Server", fallback: "10s", help: "Length of the session in ZooKeeper: so long a scheduler that takes over waits for one that died. ZooKeeper grants 2 to 20 of its ticks.", set: duration(&c.ZKSession)},
		{name: "state-key-file", group: "Server", help: "File with 32 bytes (openssl rand -hex 32), closed to others, with which the CA's key and the generated passwords are encrypted in the store. Needed with ZooKeeper. Keep a copy elsewhere.", set: text(&c.StateKeyFile)},
		{name: "state-key", group: "Server", help: "The same, as Marathon gives it. A file wins.", set: secret(&c.StateKey), envOnly: true},
		{name: "operator-token-file", group: "Server", help: "File with the token of people who may act. Default: made in the state directory.", set: text(&c.OperatorTokenFile)},
		{name: "operator-token", group: "Server", help: "The token itself, as Marathon gives it. A file wins.", set: secret(&c.OperatorToken), envOnly: true},
		{name: "read-token-file", group: "Server", help: "File with the token of people who may look. Default: made in the state directory.", set: text(&c.ReadTokenFile)},
		{name: "read-token", group: "Server", help: "The token itself, as Marathon gives it. A file wins.", set: secret(&c.ReadToken), envOnly: true},
		{name: "log-format", group: "Server", fallback: "text", help: "text or json.", set: oneOf(&c.LogFormat, "text", "json")},
		{name: "log-level", group: "Server", fallback: "info", help: "debug, info, warn or error.", set: oneOf(&c.LogLevel, "debug", "info", "warn", "error")},

		{name: "cluster-name", group: "Cluster", fallback: "scaleio", help: "Name of the cluster for people, and of the ScaleIO system (31 characters, no blanks).", set: productName(&c.ClusterName)},
		{name: "accept-license", group: "Cluster", fallback: "false", help: "Whether you accept the licence of ScaleIO. Without it no cluster is formed.", set: boolean(&c.AcceptLicence)},
		{name: "admin-password-file", group: "Cluster", help: "File with the password that ScaleIO's admin gets. Needed, unless the environment brings it.", set: text(&c.AdminPasswordFile)},
		{name: "admin-password", group: "Cluster", help: "The password itself, as Marathon gives it. A file wins.", set: secret(&c.AdminPassword), envOnly: true},
		{name: "manifest", group: "Cluster", help: "JSON file that names the product's packages: URL or file, size, SHA-256. Needed.", set: text(&c.Manifest)},
		{name: "agent-url", group: "Cluster", help: "Where Mesos agents fetch scaleio-agent. Needed.", set: source(&c.AgentURL)},
		{name: "agent-sha256", group: "Cluster", help: "SHA-256 of scaleio-agent: it doesn't run unless it has it. Needed.", set: digest(&c.AgentSHA256)},
		{name: "agent-ready-within", group: "Cluster", fallback: "5m", help: "How long a new agent has to make its node Ready; then the node goes back to the one before by itself.", set: positive(&c.AgentReadyWithin)},
		{name: "rollout-calm", group: "Cluster", fallback: "1m", help: "Pause between the waves in which a new agent, manifest or setting reaches the nodes.", set: duration(&c.RolloutCalm)},
		{name: "fault-domain-attribute", group: "Cluster", help: "Attribute of Mesos agents that names their failure domain (rack, zone). Empty: each node is one, and there are no fault sets. Permanent once the cluster is formed.", set: text(&c.FaultDomainAttribute)},
		{name: "settle", group: "Cluster", fallback: "60s", help: "How long to wait for better spread before the MDMs are chosen.", set: duration(&c.Settle)},
		{name: "protection-domain", group: "Cluster", fallback: "default", help: "Name of the protection domain.", set: productName(&c.ProtectionDomain)},
		{name: "storage-pool", group: "Cluster", fallback: "default", help: "Name of the storage pool.", set: productName(&c.StoragePool)},
		{name: "media-type", group: "Cluster", fallback: "HDD", help: "HDD or SSD.", set: oneOf(&c.MediaType, "HDD", "SSD")},
		{name: "zero-padding", group: "Cluster", fallback: "true", help: "Zero padding of the pool. Permanent once it has a device.", set: boolean(&c.ZeroPadding)},
		{name: "volume-user", group: "Cluster", fallback: "rexray", help: "ScaleIO user that the volume driver gets (role FrontEndConfigure).", set: productName(&c.VolumeUser)},
		{name: "allow-unsupported", group: "Cluster", fallback: "false", help: "Whether systems that the vendor supports for clients only (Flatcar) or not at all (Amazon Linux) may carry an SDS and the tie-breaker.", set: boolean(&c.AllowUnsupported)},
		{name: "reboots", group: "Cluster", fallback: "never", help: "Whether nodes that need a reboot are rebooted: never (the node says RebootNeeded) or rolling (one at a time, while the storage is healthy).", set: oneOf(&c.Reboots, api.RebootsNever, api.RebootsRolling)},
		{name: "reboot-window", group: "Cluster", help: "When rolling reboots may begin: days and hours, as Sat,Sun 01:00-05:00; several with semicolons between them. Its end stops those that haven't begun. Empty: at any time.", set: window(&c.RebootWindow)},
		{name: "reboot-zone", group: "Cluster", fallback: "UTC", help: "Time zone of reboot-window, as Europe/Berlin.", set: zone(&c.RebootWindow)},
		{name: "reboot-within", group: "Cluster", fallback: "30m", help: "How long a node may take from being allowed to reboot until it is whole again; then the event RebootLate says so, and its SDS leaves maintenance. No other node is rebooted before it is back or an operator releases it.", set: positive(&c.RebootWithin)},
		{name: "module-mirror", group: "Cluster", help: "https URL of a mirror of scini kernel modules in the vendor's layout (OS, SDC version and kernel lead to scini.tar); TLS alone vouches for it, so that systems with a read-only /usr take nothing from it. Prebuilt modules are named in the manifest.", set: mirror(&c.ModuleMirror)},
		{name: "build-modules", group: "Cluster", fallback: "false", help: "Whether gcc, make and kernel headers may be installed on nodes, so that the SDC (3.6.3, 4.5.2 and later) builds a scini module that nobody has.", set: boolean(&c.BuildModules)},

		{name: "disks-use", group: "Disks", fallback: "approve", help: "Which empty disks nodes give: approve (a person names each), match, all-empty, none.", set: diskUse(&c.DisksUse)},
		{name: "disks-match", group: "Disks", help: "Glob over a disk's identity, for disks-use match.", set: glob(&c.DisksMatch)},
		{name: "disks-allow-types", group: "Disks", help: "Types that are refused unless named here, comma separated: loop, dm.", set: listOf(&c.DisksAllowTypes, "loop", "dm")},
		{name: "disks-min-size", group: "Disks", fallback: "100GB", help: "Smaller disks are refused; the product's own minimum is 100 GB.", set: size(&c.DisksMinSize)},
	}, growthKeys(&c.Growth)...)
}

// growthKeys of g.
func growthKeys(g *Growth) []key {
	k := func(name, fallback, help string, set func(string) error) key {
		return key{name: name, group: "Growth", fallback: fallback, help: help, set: set}
	}
	return []key{
		k("growth", "approve", "What may be done when the pool runs full: off, dry-run (says what it would buy), approve (a person approves each expansion) or auto (within limits and budget).", oneOf(&g.Mode, "off", "dry-run", "approve", "auto")),
		k("growth-threshold", "70", "Percent of the usable capacity (what there is beside the spare) at which the pool grows.", number(&g.Threshold, 20, 95)),
		k("growth-budget", "", "Dollars per month that all volumes bought by growth may cost together. Needed for auto; without one the other modes have the limits below alone.", dollars(&g.BudgetCents)),
		k("growth-price-file", "", "JSON file of prices, as region, type, price; it adds to and replaces the built-in list prices (us-east-1, us-east-2, us-west-2).", text(&g.PriceFile)),
		k("growth-max-per-node", "8", "Volumes of growth that one node may have at a time; a deleted one counts no more.", number(&g.MaxPerNode, 1, 64)),
		k("growth-max-per-cluster", "48", "Volumes of growth that the cluster may have at a time; a deleted one counts no more.", number(&g.MaxPerCluster, 3, 300)),
		k("growth-max-per-day", "24", "Volumes that growth may buy within 24 hours.", number(&g.MaxPerDay, 3, 300)),
		k("growth-cooldown", "30m", "Pause after an expansion, unless the pool would be full by then.", duration(&g.Cooldown)),
		k("growth-takes", "10m", "How long growing takes, from decision to capacity, until expansions show that it takes longer.", positive(&g.Takes)),
		k("growth-safety", "3", "The pool grows when a forecast says that the threshold is crossed within growth-takes times this.", factor(&g.Safety, 1, 100)),
		k("growth-patience", "15m", "How long an order may make no progress before it is given up and another node takes its part.", positive(&g.Patience)),
		k("growth-spare-slots", "2", "Attachment slots that stay free on every node.", number(&g.SpareSlots, 0, 64)),
		k("growth-volume-type", "gp3", "Type of the volumes: gp3, gp2, io2, io1, st1 or sc1.", oneOf(&g.VolumeType, "gp3", "gp2", "io2", "io1", "st1", "sc1")),
		k("growth-volume-size", "", "Size of the volumes, as 200GB. Default: as most disks in the pool.", optional(size(&g.VolumeSize))),
		k("growth-volume-iops", "0", "IOPS of the volumes (gp3, io1, io2); 0: what the type gives.", number(&g.VolumeIOPS, 0, 256_000)),
		k("growth-volume-throughput", "0", "MiB/s of gp3 volumes; 0: what the type gives.", number(&g.VolumeThroughput, 0, 2000)),
		k("growth-volume-encrypted", "true", "Whether the volumes are encrypted.", boolean(&g.Encrypted)),
		k("growth-kms-key", "", "KMS key of encrypted volumes. Default: the account's.", text(&g.KMSKey)),
		k("growth-tags", "", "Tags that volumes get beside those that identify them, as name=value, comma separated: at most 40, and 6,000 bytes of JSON together.", labels(&g.Tags)),
		k("growth-delete-on-termination", "false", "Whether a volume that left the pool because its node was removed ends with its instance. In the pool it never does. It needs a right of its own (packaging/iam).", boolean(&g.DeleteOnTermination)),
		k("growth-endpoint", "", "URL of the EC2 API. Default: the region's.", optionalURL(&g.Endpoint)),
		k("growth-credentials-file", "", "File on every node with AWS credentials. Default: the role of the instance.", text(&g.CredentialsFile)),
		k("growth-cleanup-credentials-file", "", "File on every node with AWS credentials that may detach and delete volumes which were never handed over. Without it they are kept, and listed with their cost.", text(&g.CleanupFile)),
	}
}
