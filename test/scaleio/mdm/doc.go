// Package mdm is the stand-in for ScaleIO's MDM: manager or tie-breaker, as its package was told. It keeps the cluster's objects on the disks of
// a master and its slaves, elects the master by votes of managers and tie-breakers, watches the SDSs and serves scli, the gateway and SDCs.
//
// What it promises, because real operators rely on it: an acknowledged change is on the disk of every replica that could become master;
// a replica that missed one is recorded as such by a majority before the master goes on without it; a master without a majority serves nobody.
//
// Data has two copies on two fault units. What an SDS missed while it was away is copied to it; if it stays away, its data is made anew on another
// fault unit that has room. Where devices differ in how full they are, chunks move one by one. A copy is read by no client before it is whole, and a
// place is used for nothing else before every client with an older map is refused there.
package mdm
