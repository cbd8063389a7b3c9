package agent

// Where the agent keeps things. /opt holds binaries, /etc what an operator or `place` configures, /var/lib what the agent must remember, /run what
// ends with the boot.
const (
	InstallDir  = "/opt/scaleio-agent"
	ConfigDir   = "/etc/scaleio-agent"
	StateDir    = "/var/lib/scaleio-agent"
	RunDir      = "/run/scaleio-agent"
	ConfigFile  = ConfigDir + "/agent.yaml"
	CAFile      = ConfigDir + "/ca.pem"
	TokenFile   = ConfigDir + "/join-token"
	HoldFile    = ConfigDir + "/hold" // its existence is the brake, until the time that it may name
	GatewayFile = StateDir + "/gateway.pem"
	Socket      = RunDir + "/agent.sock"
	Unit        = "scaleio-agent.service"
	UnitFile    = "/etc/systemd/system/" + Unit
)
