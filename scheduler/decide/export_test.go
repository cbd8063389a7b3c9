package decide

// For tests.
var (
	UnitsNow  = unitsNow
	OrdersFor = ordersFor
)
