package canary

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/notify/alert"
)

// alert tells people what events mean to them: by the alerts of the Canary, or, if it has none, by the one of the
// installation. No pass waits for it.
func (s *shell) alert(c *canaryv1beta1.Canary, session *session, events []canary.Event) {
	if s.alerts == nil {
		return
	}
	now := s.clock.Now()
	for _, e := range events {
		if e.Alert == nil {
			continue
		}
		message := s.message(c, *e.Alert, now)
		if !s.inLine(&session.alerting, func() { s.alertAll(s.background, c, message) }) {
			s.notAlerted(c, "", errors.New("too many alerts wait to be sent"))
		}
	}
}

func (s *shell) message(c *canaryv1beta1.Canary, a canary.Alert, at time.Time) alert.Message {
	m := alert.Message{Name: c.Name, Namespace: c.Namespace, Severity: a.Severity, Text: a.Message, At: at}
	if s.clusterName != "" {
		m.Fields = append(m.Fields, alert.Field{Name: "Cluster", Value: s.clusterName})
	}
	for _, f := range a.Fields {
		m.Fields = append(m.Fields, alert.Field(f))
	}
	return m
}

func (s *shell) alertAll(ctx context.Context, c *canaryv1beta1.Canary, m alert.Message) {
	if c.Spec.Analysis == nil || len(c.Spec.Analysis.Alerts) == 0 {
		if s.globalAlert != nil {
			s.send(ctx, c, "", *s.globalAlert, m)
		}
		return
	}
	for _, wanted := range c.Spec.Analysis.Alerts {
		if !canary.Fires(wanted, m.Severity) {
			continue
		}
		to, err := s.destination(ctx, c, wanted)
		if err != nil {
			s.counters.alerted(to.Type, false)
			s.notAlerted(c, wanted.Name, err)
			continue
		}
		s.send(ctx, c, wanted.Name, to, m)
	}
}

func (s *shell) send(ctx context.Context, c *canaryv1beta1.Canary, name string, to alert.Destination, m alert.Message) {
	err := s.alerts.Alert(ctx, to, m)
	s.counters.alerted(to.Type, err == nil)
	if err != nil && ctx.Err() == nil {
		s.notAlerted(c, name, err)
	}
}

// notAlerted says where it is seen that nobody was told.
func (s *shell) notAlerted(c *canaryv1beta1.Canary, name string, err error) {
	if name != "" {
		name = " " + name
	}
	s.events.warn(reference(c), ReasonAlertFailed, fmt.Sprintf("Alert%s not sent: %v", name, err))
}

// destination reads where an alert goes: its AlertProvider and the Secret of that.
func (s *shell) destination(ctx context.Context, c *canaryv1beta1.Canary, wanted canaryv1beta1.CanaryAlert) (alert.Destination, error) {
	name := referenced(c, wanted.ProviderRef)
	full := name.Name + "." + name.Namespace
	if s.noCrossNamespaceRefs && name.Namespace != c.Namespace {
		return alert.Destination{}, fmt.Errorf("can't access alert provider %s, cross-namespace references are blocked", full)
	}
	u, err := s.store.get(ctx, object{kindAlertProvider, name})
	if err != nil {
		return alert.Destination{}, err
	}
	if u == nil {
		return alert.Destination{}, fmt.Errorf("AlertProvider %s not found", full)
	}
	provider, err := s.decoded.alertProviders.of(u)
	if err != nil {
		return alert.Destination{}, err
	}
	spec := provider.Spec
	to := alert.Destination{Type: spec.Type, Address: spec.Address, Proxy: spec.Proxy, Username: spec.Username, Channel: spec.Channel}
	if spec.SecretRef == nil {
		return to, nil
	}
	data, err := s.secrets.data(ctx, types.NamespacedName{Namespace: name.Namespace, Name: spec.SecretRef.Name})
	if err != nil {
		return to, fmt.Errorf("alert provider %s secretRef error: %w", full, err)
	}
	if address, ok := data["address"]; ok {
		to.Address = secretText(address)
	}
	if to.Address == "" {
		return to, fmt.Errorf("alert provider %s secret does not contain an address", full)
	}
	to.Token = secretText(data["token"])
	return to, nil
}
