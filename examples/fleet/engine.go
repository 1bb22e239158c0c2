package main

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/passfort-go/passfort/fleet"
)

// join connects to the engine and returns the fleet of a prefix on it. The caller
// closes the connection.
func join(engineURL, prefix, name string, log *slog.Logger) (*nats.Conn, *fleet.Fleet, error) {
	conn, err := nats.Connect(engineURL, append(fleet.ConnOptions(log), nats.Name(name))...)
	if err != nil {
		return nil, nil, connectError(err)
	}
	f, err := fleet.New(conn, fleet.Options{Prefix: prefix, Name: name, Log: log})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, f, nil
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
		return errors.New("connect to the engine: " + fleet.Cause(err))
	}
}

// maxPayload is the size of a message of the embedded server, the largest that
// NATS recommends. What is larger goes in parts.
const maxPayload = 8 << 20

// engineOptions are the choices for the embedded server.
type engineOptions struct {
	Host string
	Port int // -1: any
	Dir  string
	// Lazy answers before a message is on the disk. The server then syncs every
	// two minutes: a crash of the process loses nothing, one of the machine may.
	Lazy bool
	// Token is what clients log in with. Empty: any process on this machine may.
	Token string
	// Key encrypts what is stored. Empty: in the clear.
	Key string
}

// startEngine runs a NATS server in this process.
func startEngine(o engineOptions) (*server.Server, error) {
	options := &server.Options{
		ServerName: "fleet", Host: o.Host, Port: o.Port, NoSigs: true, NoLog: true, MaxPayload: maxPayload,
		Authorization: o.Token,
		JetStream:     true, StoreDir: o.Dir, SyncAlways: !o.Lazy, JetStreamMaxMemory: 64 << 20,
		JetStreamMaxStore: 16 << 30,
	}
	if o.Key != "" {
		options.JetStreamKey, options.JetStreamCipher = o.Key, server.ChaCha
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		s.Shutdown()
		return nil, errors.New("the embedded NATS server does not start: is its address in use?")
	}
	return s, nil
}
