package scaleio

import "strings"

var (
	usersLine  = lazily(`^System has (\d+) users?:?$`)
	usersTitle = lazily(`^ID\s+Role\s+Need-New-Pass\s+User Name$`)
	usersRule  = lazily(`^[-= ]+$`)
	userLine   = lazily(`^(\w+)\s+(\w+)\s+([Yy]es|[Nn]o|YES|NO)\s+(\S+)$`)
)

// ParseQueryUsers reads query_users.
func ParseQueryUsers(raw string) ([]User, error) {
	r := read("query_users", raw)
	head := usersLine().FindStringSubmatch(r.line())
	var count int
	if head == nil || !r.number(head[1], &count) {
		return nil, r.stuck()
	}
	r.at++
	if count > 0 && r.take(usersTitle) == nil {
		return nil, r.stuck()
	}
	r.take(usersRule)
	var users []User
	for r.more() {
		m := r.take(userLine)
		if m == nil {
			return nil, r.stuck()
		}
		users = append(users, User{ID: m[1], Role: m[2], NeedNewPass: strings.EqualFold(m[3], "yes"), Name: m[4]})
	}
	if len(users) != count {
		return nil, r.stuck()
	}
	return users, nil
}
