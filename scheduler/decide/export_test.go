package decide

// UnitsNow for tests.
var UnitsNow = unitsNow
