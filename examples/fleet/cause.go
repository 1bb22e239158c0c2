package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/passfort-go/passfort"
)

// cause returns a fixed word for why something failed, for a log line. It holds
// nothing of what was sent, and no address.
func cause(err error) string {
	var refused *jetstream.APIError
	var api *passfort.Error
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return "no such message"
	case errors.Is(err, errUnreadable):
		return "unreadable"
	case errors.As(err, &refused):
		return "jetstream " + strconv.Itoa(int(refused.ErrorCode))
	case errors.As(err, &api):
		return "passfort " + strconv.Itoa(api.StatusCode)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired),
		errors.Is(err, nats.ErrAccountAuthExpired):
		return "login refused"
	case errors.Is(err, nats.ErrPermissionViolation):
		return "permission missing"
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrConnectionClosed),
		errors.Is(err, nats.ErrDisconnected):
		return "no connection"
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return "no stream takes it"
	default:
		return fmt.Sprintf("%T", err)
	}
}

// connectError says why there is no connection. The text of nats.go may hold
// the URL with its password, so none of it is used.
func connectError(err error) error {
	var malformed *url.Error
	switch {
	case errors.As(err, &malformed), strings.Contains(err.Error(), "url"):
		return errors.New(envEngine + " is not a URL such as nats://user:password@host:4222")
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return errors.New("the engine refused the login: look at user and password in " + envEngine)
	case errors.Is(err, nats.ErrNoServers):
		return errors.New("there is no engine to connect to: start one with fleet up, or set " + envEngine)
	default:
		return errors.New("connect to the engine: " + cause(err))
	}
}

// oldest is the first version of the engine that can pause consumers.
const oldest = "2.11.0"

// supported refuses an engine that is too old for what a fleet asks of it.
func supported(version string) error {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d.", &major, &minor); err != nil || major < 2 || major == 2 && minor < 11 {
		return fmt.Errorf("the engine is NATS %s: a fleet needs %s or later", version, oldest)
	}
	return nil
}
