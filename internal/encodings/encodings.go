// Package encodings runs encoders and copiers that programs store and copy models with, and
// records of each whether models come out of it whole. It is a module of its own, so that none of
// them becomes a dependency of the SDK.
package encodings

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"reflect"

	"github.com/BurntSushi/toml"
	"github.com/bytedance/sonic"
	"github.com/fxamacker/cbor/v2"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-viper/mapstructure/v2"
	gojson "github.com/goccy/go-json"
	goyaml "github.com/goccy/go-yaml"
	"github.com/jinzhu/copier"
	jsoniter "github.com/json-iterator/go"
	"github.com/mitchellh/copystructure"
	"github.com/mohae/deepcopy"
	pelletier "github.com/pelletier/go-toml/v2"
	segmentio "github.com/segmentio/encoding/json"
	shamaton "github.com/shamaton/msgpack/v2"
	"github.com/ugorji/go/codec"
	"github.com/vmihailenco/msgpack/v5"
	"go.mongodb.org/mongo-driver/bson"
	bsonv2 "go.mongodb.org/mongo-driver/v2/bson"
	yaml2 "gopkg.in/yaml.v2"
	"gopkg.in/yaml.v3"
)

// Way is one way through which a value goes: an encoder and its decoder, or a copier.
type Way struct {
	Name string
	// Encode is the encoder alone, nil if the way is a copier.
	Encode func(v any) ([]byte, error)
	// Through puts what from points to into what to points to, a zero value of its type.
	Through func(from, to any) error
}

// Ways are the encoders and copiers, by their usual names.
func Ways() []Way {
	return []Way{
		encoder("encoding/json", json.Marshal, json.Unmarshal),
		encoder("encoding/json/v2", func(v any) ([]byte, error) {
			return jsonv2.Marshal(v)
		}, func(data []byte, v any) error {
			return jsonv2.Unmarshal(data, v)
		}),
		encoder("goccy/go-json", gojson.Marshal, gojson.Unmarshal),
		encoder("json-iterator", jsoniter.Marshal, jsoniter.Unmarshal),
		encoder("sonic", sonic.Marshal, sonic.Unmarshal),
		encoder("segmentio/encoding/json", segmentio.Marshal, segmentio.Unmarshal),
		encoder("encoding/gob", toGob, fromGob),
		encoder("encoding/xml", xml.Marshal, xml.Unmarshal),
		encoder("vmihailenco/msgpack", msgpack.Marshal, msgpack.Unmarshal),
		encoder("shamaton/msgpack", shamaton.Marshal, shamaton.Unmarshal),
		encoder("fxamacker/cbor", cbor.Marshal, cbor.Unmarshal),
		handled("ugorji/codec msgpack", &codec.MsgpackHandle{}),
		handled("ugorji/codec cbor", &codec.CborHandle{}),
		handled("ugorji/codec binc", &codec.BincHandle{}),
		handled("ugorji/codec json", &codec.JsonHandle{}),
		encoder("yaml.v2", yaml2.Marshal, yaml2.Unmarshal),
		encoder("yaml.v3", yaml.Marshal, yaml.Unmarshal),
		encoder("goccy/go-yaml", goyaml.Marshal, goyaml.Unmarshal),
		encoder("BurntSushi/toml", toml.Marshal, toml.Unmarshal),
		encoder("pelletier/go-toml", pelletier.Marshal, pelletier.Unmarshal),
		encoder("mongo-driver/bson", bson.Marshal, bson.Unmarshal),
		encoder("mongo-driver/v2/bson", bsonv2.Marshal, bsonv2.Unmarshal),
		{Name: "mapstructure", Through: throughMap},
		{Name: "assignment", Through: func(from, to any) error {
			reflect.ValueOf(to).Elem().Set(reflect.ValueOf(from).Elem())
			return nil
		}},
		{Name: "Clone", Through: throughClone},
		{Name: "copystructure", Through: copied(copystructure.Copy)},
		{Name: "mohae/deepcopy", Through: copied(func(v any) (any, error) { return deepcopy.Copy(v), nil })},
		{Name: "copier", Through: func(from, to any) error { return copier.Copy(to, from) }},
		{Name: "copier, deep", Through: func(from, to any) error {
			return copier.CopyWithOption(to, from, copier.Option{DeepCopy: true})
		}},
	}
}

func encoder(name string, marshal func(any) ([]byte, error), unmarshal func([]byte, any) error) Way {
	return Way{name, marshal, func(from, to any) error {
		data, err := marshal(from)
		if err != nil {
			return err
		}
		return unmarshal(data, to)
	}}
}

func handled(name string, handle codec.Handle) Way {
	return encoder(name, func(v any) (data []byte, err error) {
		err = codec.NewEncoderBytes(&data, handle).Encode(v)
		return data, err
	}, func(data []byte, v any) error { return codec.NewDecoderBytes(data, handle).Decode(v) })
}

func toGob(v any) ([]byte, error) {
	var data bytes.Buffer
	err := gob.NewEncoder(&data).Encode(v)
	return data.Bytes(), err
}

func fromGob(data []byte, v any) error { return gob.NewDecoder(bytes.NewReader(data)).Decode(v) }

func throughMap(from, to any) error {
	var between map[string]any
	if err := mapstructure.Decode(from, &between); err != nil {
		return err
	}
	return mapstructure.Decode(between, to)
}

// copied returns a way through a copier that returns the copy, a pointer as it was given one.
func copied(duplicate func(any) (any, error)) func(from, to any) error {
	return func(from, to any) error {
		out, err := duplicate(from)
		if err != nil {
			return err
		}
		reflect.ValueOf(to).Elem().Set(reflect.ValueOf(out).Elem())
		return nil
	}
}

// throughClone calls the method Clone, of the only field if the value has none itself.
func throughClone(from, to any) error {
	v, target := reflect.ValueOf(from), reflect.ValueOf(to).Elem()
	if !v.MethodByName("Clone").IsValid() {
		v, target = v.Elem().Field(0).Addr(), target.Field(0)
	}
	target.Set(v.MethodByName("Clone").Call(nil)[0].Elem())
	return nil
}
