// Package gateway is the stand-in for ScaleIO's REST gateway, API version 3.6: login tokens, instances with links, actions, statistics, errors with
// codes. It holds nothing of the cluster: every request goes to the master MDM that it finds among its configured addresses.
package gateway
