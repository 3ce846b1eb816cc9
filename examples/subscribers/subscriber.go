// Acts on the events of qs from its feed. QS_URL and QS_TOKEN say where and who; STATE names the file that holds the
// position. The position is written after the events were acted on: after a crash the last page comes again, so what
// act does must not mind being done twice, or remember the ids.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type event struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Subject  string          `json:"subject"`
	Sequence string          `json:"sequence"`
	Data     json.RawMessage `json:"data"`
}

type page struct {
	Data struct {
		Items     []event `json:"items"`
		NextAfter int64   `json:"next_after"`
	} `json:"data"`
}

var client = &http.Client{Timeout: 30 * time.Second}

func read(after int64) (page, error) {
	var found page
	url := fmt.Sprintf("%s/api/v1/events?after=%d&page_size=100", os.Getenv("QS_URL"), after)
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return found, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("QS_TOKEN"))
	answer, err := client.Do(request)
	if err != nil {
		return found, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return found, err
	}
	if answer.StatusCode != http.StatusOK {
		return found, fmt.Errorf("status %d", answer.StatusCode)
	}
	return found, json.Unmarshal(body, &found)
}

func act(one event) {
	fmt.Println(one.Sequence, one.Type, one.Subject)
}

// save replaces the file in one step, so that a crash leaves the old position or the new one.
func save(state string, after int64) error {
	if err := os.WriteFile(state+".new", []byte(strconv.FormatInt(after, 10)), 0o600); err != nil {
		return err
	}
	return os.Rename(state+".new", state)
}

func main() {
	state := os.Getenv("STATE")
	if state == "" {
		state = "subscriber.position"
	}
	var after int64
	if text, err := os.ReadFile(state); err == nil {
		if after, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err != nil {
			log.Fatalf("%s holds no position: %v", state, err)
		}
	}
	for {
		found, err := read(after)
		if err != nil {
			log.Printf("the feed cannot be read now: %v", err)
			time.Sleep(5 * time.Second)
			continue
		}
		for _, one := range found.Data.Items {
			act(one)
		}
		if found.Data.NextAfter != after {
			after = found.Data.NextAfter
			if err := save(state, after); err != nil {
				log.Fatal(err)
			}
		}
		if len(found.Data.Items) == 0 {
			time.Sleep(time.Second)
		}
	}
}
