package inbox

// Unsaid returns how many payloads wait for the next NOTIFY.
func (b *Inbox) Unsaid() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.next.payloads)
}
