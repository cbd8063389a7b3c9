package api

// A JoinRequest turns a token (of a Mesos task, or an enrolment token) into a certificate. The token is worth little: joining alone yields no secret.
type JoinRequest struct {
	Token string   `json:"token"`
	Node  Identity `json:"node"`
	CSR   string   `json:"csr"` // PEM; the key never leaves the node
}

// A JoinAnswer carries the node's certificate, signed by the cluster's CA.
type JoinAnswer struct {
	Cluster     string   `json:"cluster"`
	Certificate string   `json:"certificate"` // PEM
	CA          string   `json:"ca"`          // PEM
	Servers     []string `json:"servers"`
}

// A RenewRequest asks for the next certificate over mTLS with the present one.
type RenewRequest struct {
	CSR string `json:"csr"`
}

// Environment of the Mesos task that places the agent.
const (
	EnvServers = "SCALEIO_AGENT_SERVERS"    // comma list of https URLs
	EnvCluster = "SCALEIO_AGENT_CLUSTER"    // cluster UUID
	EnvCA      = "SCALEIO_AGENT_CA"         // PEM
	EnvToken   = "SCALEIO_AGENT_JOIN_TOKEN" // bound to task and Mesos agent, dead when the task is
	EnvSHA256  = "SCALEIO_AGENT_SHA256"     // of the agent's binary
)
