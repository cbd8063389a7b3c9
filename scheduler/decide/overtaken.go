package decide

import "scaleio-framework/scheduler/api"

// Overtaken says whether a report is older than the one that was taken before: a request that its agent gave up, or that was on its way while the agent died and
// began anew, may come after the next one. What it says was taken back since: an order that it calls failed may have been tried again.
func Overtaken(have, r *api.Report) bool {
	return have != nil && have.Node == r.Node && have.BootID == r.BootID && 0 < r.UptimeMS && r.UptimeMS < have.UptimeMS
}
