package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/notify/alert"
)

// alertFlags say where alerts and events of Canaries go that name no place of their own. They are Flagger's, and so are
// the environment variables, which win, because they can come from a Secret.
type alertFlags struct {
	slackURL, slackToken, slackProxy, slackUser, slackChannel string
	teamsURL, teamsProxy                                      string
	eventWebhook                                              string
	clusterName                                               string
}

func (a *alertFlags) register(flags *flag.FlagSet) {
	flags.StringVar(&a.slackURL, "slack-url", "", "Slack webhook for alerts of Canaries without analysis.alerts; or the environment variable SLACK_URL")
	flags.StringVar(&a.slackToken, "slack-token", "", "bearer token for -slack-url; or SLACK_TOKEN")
	flags.StringVar(&a.slackProxy, "slack-proxy-url", "", "HTTP proxy for -slack-url; or SLACK_PROXY_URL")
	flags.StringVar(&a.slackUser, "slack-user", alert.DefaultUsername, "name that alerts in Slack come from")
	flags.StringVar(&a.slackChannel, "slack-channel", "", "channel of alerts in Slack; empty is "+alert.DefaultChannel)
	flags.StringVar(&a.teamsURL, "msteams-url", "", "Microsoft Teams webhook for alerts, instead of Slack; or MSTEAMS_URL")
	flags.StringVar(&a.teamsProxy, "msteams-proxy-url", "", "HTTP proxy for -msteams-url; or MSTEAMS_PROXY_URL")
	flags.StringVar(&a.eventWebhook, "event-webhook", "", "URL that every event of a Canary without a webhook of the type event is posted to; or EVENT_WEBHOOK_URL")
	flags.StringVar(&a.clusterName, "cluster-name", "", "name of the cluster, told in every alert")
}

// complete reads the environment and checks what is an address.
func (a *alertFlags) complete() error {
	var problems []error
	for _, setting := range []struct {
		flag, env string
		value     *string
	}{
		{"slack-url", "SLACK_URL", &a.slackURL},
		{"slack-proxy-url", "SLACK_PROXY_URL", &a.slackProxy},
		{"msteams-url", "MSTEAMS_URL", &a.teamsURL},
		{"msteams-proxy-url", "MSTEAMS_PROXY_URL", &a.teamsProxy},
		{"event-webhook", "EVENT_WEBHOOK_URL", &a.eventWebhook},
	} {
		*setting.value = cmp.Or(os.Getenv(setting.env), *setting.value)
		// The sentence must not repeat the value, which is a secret.
		if u, err := url.Parse(*setting.value); *setting.value != "" && (err != nil || u.Host == "") {
			problems = append(problems, fmt.Errorf("-%s or %s is not a URL", setting.flag, setting.env))
		}
	}
	a.slackToken = cmp.Or(os.Getenv("SLACK_TOKEN"), a.slackToken)
	return errors.Join(problems...)
}

// destination is where alerts go; nil for nowhere.
func (a *alertFlags) destination() *alert.Destination {
	switch {
	case a.teamsURL != "":
		return &alert.Destination{Type: canaryv1beta1.AlertTypeMSTeams, Address: a.teamsURL, Proxy: a.teamsProxy}
	case a.slackURL != "":
		return &alert.Destination{
			Type: canaryv1beta1.AlertTypeSlack, Address: a.slackURL, Token: a.slackToken, Proxy: a.slackProxy,
			Username: a.slackUser, Channel: a.slackChannel,
		}
	}
	return nil
}
