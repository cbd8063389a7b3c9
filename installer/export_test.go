package installer

// What tests look at besides the steps.
var (
	MergeIsolation  = mergeIsolation
	CompareVersions = compareVersions
)

// IntentFile is where an intent lies.
func IntentFile(kind, subject string) string { return intentFile(kind, subject) }

// Pick is tested as the pure function that it is.
var Pick = pick
