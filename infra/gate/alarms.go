package gate

import "time"

const (
	crlExpiryWarning  = 24 * time.Hour
	crlExpiryCritical = 4 * time.Hour
)

func (g *Gate) addAlarms()    {}
func (g *Gate) addDashboard() {}
