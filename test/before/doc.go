// Package before has the version before this one at hand (design 5: a scheduler serves agents of its own version and of the one before, and either may be put back to the other): it is
// built from the repository's own history and run against today's, both ways. The file `version` names its commit.
//
// Import only from test/... .
package before
