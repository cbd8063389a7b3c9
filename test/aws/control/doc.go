// Package control lets tests and the demo steer a stand-in cloud that runs in another process: launch instances, look at what there is and what was asked, make calls and the
// metadata service fail.
package control
