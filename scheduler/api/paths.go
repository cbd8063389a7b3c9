package api

import "time"

// Paths of the scheduler's one HTTPS port.
const (
	PathJoin      = "/v1/join"          // POST JoinRequest with a join token: a certificate for the node
	PathRenew     = "/v1/renew"         // POST RenewRequest over mTLS: the next certificate
	PathReport    = "/v1/report"        // POST Report over mTLS: the answer carries what should be
	PathArtifacts = "/v1/artifacts"     // GET /v1/artifacts/{sha256} over mTLS: packages that the manifest names by file
	PathStatus    = "/v1/status"        // GET, read token: ClusterStatus
	PathPlan      = "/v1/plan"          // GET, read token: PlanStatus
	PathEvents    = "/v1/events"        // GET, read token: EventList
	PathHold      = "/v1/hold"          // POST HoldRequest, operator token
	PathApprove   = "/v1/approve"       // POST ApproveRequest, operator token
	PathRelease   = "/v1/release"       // POST ReleaseRequest, operator token
	PathTokens    = "/v1/tokens"        // GET, read token: TokenList; POST TokenRequest, operator token: NewToken
	PathRevoke    = "/v1/tokens/revoke" // POST TokenRevocation, operator token
	PathRollout   = "/v1/rollout"       // POST RolloutRequest, operator token
	PathNodes     = "/v1/nodes"         // POST NodeRequest, operator token: NodeAnswer
	PathRecover   = "/v1/recover"       // POST RecoverRequest, operator token
	PathCA        = "/v1/ca"            // POST CARequest, operator token: CAView
	PathBackup    = "/v1/backup"        // GET, operator token: the whole state, CA key included, as store.WriteBackup writes it; ?keys=true for CA and passwords alone
	PathExplain   = "/v1/explain"       // GET /v1/explain/{node}, read token: Explanation
	PathDiagnosis = "/v1/diagnosis"     // GET, operator token: Diagnosis
	PathHealthz   = "/healthz"
	PathReadyz    = "/readyz"
	PathMetrics   = "/metrics" // read token
)

// Limits of the wire.
const (
	MaxBodyBytes  = 1 << 20
	MaxLongPolls  = 64               // a held mTLS request costs 50 kB
	LongPollLimit = 25 * time.Second // the scheduler answers a held report by then
	RestPoll      = 60 * time.Second // at rest, with jitter

	// WordLife is how long after an answer a lease without timeout may be used to begin something: the scheduler judges the storage anew with each answer, and whoever
	// waits for that is answered at least every LongPollLimit.
	WordLife = LongPollLimit + 5*time.Second
)

// Ports and names of a node.
const (
	NodePort      = 9780 // plain HTTP, GET only: /healthz /readyz /metrics
	ServerNameFmt = "scheduler.%s.scaleio"
)

// LeaderLeaseTTL counts on the holder's monotonic clock from the moment it sent its request.
const LeaderLeaseTTL = 15 * time.Second

// PreparedTTL is how long a disk's last verification may be trusted before it is added.
const PreparedTTL = 30 * time.Second
