package alert

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Defaults of a destination, as Flagger has them.
const (
	DefaultUsername = "flagger"
	DefaultChannel  = "general"
)

// Destination is where an alert goes.
type Destination struct {
	// Type is one of the AlertType constants of the API.
	Type string
	// Address is the URL to post to. It is a secret more often than not.
	Address string
	// Token is sent as a bearer token; empty for none.
	Token string
	// Proxy is the URL of an HTTP proxy; empty for that of the environment.
	Proxy string
	// Username and Channel are for chats that know such; empty means the defaults.
	Username, Channel string
}

// Message is what happened.
type Message struct {
	// Name and Namespace are the Canary's.
	Name, Namespace string
	// Severity is how bad it is: info, warn or error.
	Severity canaryv1beta1.AlertSeverity
	// Text is one sentence.
	Text string
	// Fields are further facts, in order.
	Fields []Field
	// At is when it happened.
	At time.Time
}

// Field is a fact with a name.
type Field struct {
	// Name and Value as they are shown.
	Name, Value string
}

// Request is what is posted.
type Request struct {
	// URL is where to.
	URL string
	// Token is the bearer token; empty for none.
	Token string
	// Body is encoded as JSON.
	Body any
}

// builders says what each type of provider is sent.
var builders = map[string]func(Destination, Message) Request{
	canaryv1beta1.AlertTypeSlack:   slack,
	canaryv1beta1.AlertTypeDiscord: discord,
	canaryv1beta1.AlertTypeRocket:  rocket,
	canaryv1beta1.AlertTypeMSTeams: msTeams,
	canaryv1beta1.AlertTypeGChat:   gChat,
	canaryv1beta1.AlertTypeGeneric: generic,
}

// Build makes the request. Its errors do not hold the address.
func Build(d Destination, m Message) (Request, error) {
	build, known := builders[d.Type]
	if !known {
		return Request{}, fmt.Errorf("provider %s not supported", d.Type)
	}
	u, err := url.Parse(d.Address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Request{}, errors.New("the address is not a URL that starts with http:// or https://")
	}
	d.Username, d.Channel = cmp.Or(d.Username, DefaultUsername), cmp.Or(d.Channel, DefaultChannel)
	return build(d, m), nil
}

func (m Message) full() string { return m.Name + "." + m.Namespace }

func (m Message) bad() bool { return m.Severity == canaryv1beta1.SeverityError }

// slashSlack is where Discord takes what Slack takes.
func slashSlack(address string) string {
	if strings.HasSuffix(address, "/slack") {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address // Build has parsed it
	}
	u.Path = path.Join(u.Path, "slack")
	return u.String()
}
