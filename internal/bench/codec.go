package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	json2 "github.com/go-json-experiment/json"

	"github.com/passfort-go/passfort"
)

// measureJSON decodes and encodes collected data.
func measureJSON(ctx context.Context, s scale) ([]figure, error) {
	var figures []figure
	for _, size := range []int{4 << 10, 200 << 10} {
		doc := companyJSON(size)
		by := func(unmarshal func([]byte, any) error, marshal func(any) ([]byte, error),
			target func() any) func(context.Context) error {
			return func(context.Context) error {
				v := target()
				if err := unmarshal(doc, v); err != nil {
					return err
				}
				_, err := marshal(v)
				return err
			}
		}
		of := func(t reflect.Type) func() any { return func() any { return reflect.New(t).Interface() } }
		v2 := func(data []byte, v any) error { return json2.Unmarshal(data, v) }
		v2out := func(v any) ([]byte, error) { return json2.Marshal(v) }
		const v1 = "encoding/json, structs that drop the unknown"
		rivals := []rival{
			{name: "SDK", run: func(context.Context) error {
				var e passfort.EntityData
				if err := e.UnmarshalJSON(doc); err != nil {
					return err
				}
				_, err := e.MarshalJSON()
				return err
			}},
			{name: v1, run: by(json.Unmarshal, json.Marshal, of(plainEntity))},
			{name: "encoding/json, `map[string]any`", run: by(json.Unmarshal, json.Marshal, func() any {
				return new(map[string]any)
			})},
			{name: "json/v2, structs that drop the unknown", run: by(v2, v2out, of(plainEntity))},
			{name: "json/v2, structs that keep with `embed`", run: by(v2, v2out, of(keptEntity))},
		}
		t, err := race(ctx, s, rivals...)
		if err != nil {
			return nil, err
		}
		got := t.ratios(fmt.Sprintf("Decode and encode a company of %d KB", size>>10), rivals...)
		promised(got, v1, 0.75)
		figures = append(figures, got...)
	}
	return figures, nil
}
