package alert

import (
	"html"
	"strconv"
	"strings"
)

// slackBody is Slack's, and what others call Slack-compatible.
type slackBody struct {
	Channel     string            `json:"channel"`
	Username    string            `json:"username"`
	IconEmoji   string            `json:"icon_emoji"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color      string       `json:"color"`
	AuthorName string       `json:"author_name"`
	Text       string       `json:"text"`
	MrkdwnIn   []string     `json:"mrkdwn_in"`
	Fields     []slackField `json:"fields"`
}

type slackField struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// colours are those of a good and of a bad message.
type colours struct{ good, bad string }

func (c colours) of(m Message) string {
	if m.bad() {
		return c.bad
	}
	return c.good
}

func slackCompatible(d Destination, m Message, c colours) slackBody {
	a := slackAttachment{Color: c.of(m), AuthorName: m.full(), Text: m.Text, MrkdwnIn: []string{"text"}, Fields: []slackField{}}
	for _, f := range m.Fields {
		a.Fields = append(a.Fields, slackField{Title: f.Name, Value: f.Value})
	}
	return slackBody{Channel: d.Channel, Username: d.Username, IconEmoji: ":rocket:", Attachments: []slackAttachment{a}}
}

// mrkdwn escapes what Slack takes for markup: sentences about metrics have comparisons in them.
var mrkdwn = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func slack(d Destination, m Message) Request {
	m.Text = mrkdwn.Replace(m.Text)
	return Request{URL: d.Address, Token: d.Token, Body: slackCompatible(d, m, colours{"good", "danger"})}
}

func discord(d Destination, m Message) Request {
	return Request{URL: slashSlack(d.Address), Token: d.Token, Body: slackCompatible(d, m, colours{"good", "danger"})}
}

func rocket(d Destination, m Message) Request {
	return Request{URL: d.Address, Token: d.Token, Body: slackCompatible(d, m, colours{"#0076D7", "#FF0000"})}
}

type teamsBody struct {
	Type       string         `json:"@type"`
	Context    string         `json:"@context"`
	ThemeColor string         `json:"themeColor"`
	Summary    string         `json:"summary"`
	Sections   []teamsSection `json:"sections"`
}

type teamsSection struct {
	ActivityTitle    string       `json:"activityTitle"`
	ActivitySubtitle string       `json:"activitySubtitle"`
	Facts            []teamsField `json:"facts"`
}

type teamsField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func msTeams(d Destination, m Message) Request {
	facts := []teamsField{}
	for _, f := range m.Fields {
		facts = append(facts, teamsField(f))
	}
	return Request{URL: d.Address, Token: d.Token, Body: teamsBody{
		Type: "MessageCard", Context: "http://schema.org/extensions", ThemeColor: colours{"0076D7", "FF0000"}.of(m), Summary: m.full(),
		Sections: []teamsSection{{ActivityTitle: m.Text, ActivitySubtitle: m.full(), Facts: facts}},
	}}
}

type gChatBody struct {
	Cards []gChatCard `json:"cards"`
}

type gChatCard struct {
	Header   gChatHeader    `json:"header"`
	Sections []gChatSection `json:"sections"`
}

type gChatHeader struct {
	Title    string `json:"title"`
	Subtitle string `json:"subtitle"`
}

type gChatSection struct {
	Widgets []gChatWidget `json:"widgets"`
}

type gChatWidget struct {
	TextParagraph gChatText `json:"textParagraph"`
}

type gChatText struct {
	Text string `json:"text"`
}

func gChat(d Destination, m Message) Request {
	strong := func(s string) string {
		return "<font color=#848484><strong>" + html.EscapeString(s) + "</strong></font>"
	}
	section := func(s string) gChatSection {
		return gChatSection{[]gChatWidget{{gChatText{s}}}}
	}
	card := gChatCard{Header: gChatHeader{Title: "Sluice", Subtitle: m.full()}, Sections: []gChatSection{section(strong(m.Text))}}
	for _, f := range m.Fields {
		card.Sections = append(card.Sections, section(html.EscapeString(f.Name)+"<br>"+strong(f.Value)))
	}
	return Request{URL: d.Address, Token: d.Token, Body: gChatBody{[]gChatCard{card}}}
}

// genericBody is ours, for whoever writes the receiver. New fields may come, none goes.
type genericBody struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Severity  string            `json:"severity"`
	Message   string            `json:"message"`
	Fields    map[string]string `json:"fields,omitempty"`
	// Timestamp is in milliseconds since 1970, as text, as event webhooks have it.
	Timestamp string `json:"timestamp"`
}

func generic(d Destination, m Message) Request {
	body := genericBody{
		Name: m.Name, Namespace: m.Namespace, Severity: string(m.Severity), Message: m.Text,
		Timestamp: strconv.FormatInt(m.At.UnixMilli(), 10),
	}
	for _, f := range m.Fields {
		if body.Fields == nil {
			body.Fields = map[string]string{}
		}
		body.Fields[f.Name] = f.Value
	}
	return Request{URL: d.Address, Token: d.Token, Body: body}
}
