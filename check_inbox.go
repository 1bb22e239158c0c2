package passfort

// CheckInbox wakes waits.
type CheckInbox struct{}

func (b *CheckInbox) subscribe(string) (<-chan struct{}, func()) { return nil, func() {} }
