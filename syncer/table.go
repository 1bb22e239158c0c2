package syncer

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passfort-go/passfort/inbox/sqldb"
)

// Table is a table of customers of yours. SQLTable is one in the same database; write
// your own for another shape. Its methods must be safe for concurrent use.
type Table interface {
	// Check returns an error that is ErrMapping if the table does not have the fields,
	// or ErrValue if a row has a value that does not fit. It changes nothing.
	Check(ctx context.Context, db *sql.DB, fields []Field) error
	// Load returns the key of a customer in the one form that Keys has, and its values,
	// locked until tx ends, in any text that its kind can be read from. It is sql.ErrNoRows
	// if there is no such customer.
	Load(ctx context.Context, tx *sql.Tx, key string, fields []Field) (same string, v Values, err error)
	// Save writes the values of a customer that are in v; an empty one is none.
	Save(ctx context.Context, tx *sql.Tx, key string, v Values, fields []Field) error
	// Keys returns the keys of up to limit customers after a key, in their order as
	// text by bytes.
	Keys(ctx context.Context, db *sql.DB, after string, limit int) ([]string, error)
}

// SQLTable is a table in the database of the syncer, by names. The key is the
// customer_ref of the profile, so it must be unique and never change: a uuid, a
// number or a text.
type SQLTable struct {
	Dialect sqldb.Dialect
	// Name may have a schema before it.
	Name string
	// Key is the column of the key.
	Key string
	// NotNull are columns of text that are '' where others are NULL.
	NotNull []string
}

var columnName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func (t SQLTable) place() sqldb.Place { return sqldb.Place{Dialect: t.Dialect} }

// keyText is the key as text that sorts by bytes.
func (t SQLTable) keyText() string {
	if t.Dialect == sqldb.PostgreSQL {
		return `CAST(` + t.Key + ` AS TEXT) COLLATE "C"`
	}
	return `CAST(` + t.Key + ` AS TEXT)`
}

// checkRows is how many rows a check reads the values of.
const checkRows = 100_000

// Check reads the columns, and looks for an index that makes the key unique: without one
// it reads every key. It reads the values of up to 100,000 rows, of the fields whose column
// may hold what does not fit: not of KindText, and not of a column of PostgreSQL that holds
// dates, booleans or whole numbers only. Beyond that a customer with a value that does not
// fit is shown as failing.
func (t SQLTable) Check(ctx context.Context, db *sql.DB, fields []Field) error {
	if !columnName.MatchString(t.Name) || !columnName.MatchString(t.Key) {
		return fmt.Errorf("%w: the names of a table and of its key are plain identifiers", ErrMapping)
	}
	rows, err := db.QueryContext(ctx, `SELECT * FROM `+t.Name+` LIMIT 0`)
	if err != nil {
		return fmt.Errorf("%w: the table %q cannot be read: %s", ErrMapping, t.Name, sqldb.Word(err))
	}
	types, err := rows.ColumnTypes()
	_ = rows.Close()
	if err != nil {
		return err
	}
	columns := map[string]string{}
	for _, c := range types {
		columns[c.Name()] = c.DatabaseTypeName()
	}
	if _, ok := columns[t.Key]; !ok {
		return fmt.Errorf("%w: the table %q has no key column %q", ErrMapping, t.Name, t.Key)
	}
	var doubtful []Field
	for _, f := range fields {
		kind, ok := columns[f.Name]
		switch {
		case !ok:
			return fmt.Errorf("%w: the table %q has no column %q", ErrMapping, t.Name, f.Name)
		case f.Name == t.Key:
			return fmt.Errorf("%w: the column %q is the key, not a field", ErrMapping, f.Name)
		case f.Kind == KindText, t.Dialect == sqldb.PostgreSQL && slices.Contains(sureTypes[f.Kind], kind):
		default:
			doubtful = append(doubtful, f)
		}
	}
	if err := t.checkKey(ctx, db); err != nil || len(doubtful) == 0 {
		return err
	}
	return t.place().Each(ctx, db, func(scan func(...any) error) error {
		v, err := scanValues(scan, doubtful)
		if err != nil {
			return err
		}
		for _, f := range doubtful {
			if _, err := f.normal(v[f.Name]); err != nil {
				return fmt.Errorf("%w of the table %q", err, t.Name)
			}
		}
		return nil
	}, `SELECT `+names(doubtful)+` FROM `+t.Name+` LIMIT ?`, checkRows)
}

// sureTypes are types of PostgreSQL whose values fit a kind.
var sureTypes = map[Kind][]string{
	KindDate: {"DATE"}, KindBool: {"BOOL"}, KindNumber: {"INT2", "INT4", "INT8"},
}

// checkKey returns ErrMapping if two customers have one key, or one has none.
func (t SQLTable) checkKey(ctx context.Context, db *sql.DB) error {
	indexed := `SELECT COUNT(*) FROM pragma_table_info(?1) WHERE name = ?2 AND pk = 1
		AND (SELECT COUNT(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1`
	if t.Dialect == sqldb.PostgreSQL {
		indexed = `SELECT COUNT(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
			AND a.attnum = i.indkey[0]
			WHERE i.indrelid = to_regclass(CAST($1 AS TEXT)) AND a.attname = CAST($2 AS TEXT) AND i.indisunique
			AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL`
	}
	var unique, wrong int
	if err := db.QueryRowContext(ctx, indexed, t.Name, t.Key).Scan(&unique); err != nil {
		return err
	}
	search := `SELECT COUNT(*) FROM (SELECT ` + t.Key + ` FROM ` + t.Name + ` GROUP BY ` + t.Key + ` HAVING COUNT(*) > 1
		OR ` + t.Key + ` IS NULL) AS wrong`
	if unique > 0 {
		search = `SELECT COUNT(*) FROM (SELECT 1 FROM ` + t.Name + ` WHERE ` + t.Key + ` IS NULL LIMIT 1) AS wrong`
	}
	if err := db.QueryRowContext(ctx, search).Scan(&wrong); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%w: the key column %q of the table %q is not unique", ErrMapping, t.Key, t.Name)
	}
	return nil
}

func names(fields []Field) string {
	var list []string
	for _, f := range fields {
		list = append(list, f.Name)
	}
	return strings.Join(list, ", ")
}

// scanValues reads the fields of a row as text.
func scanValues(scan func(...any) error, fields []Field) (Values, error) {
	raw, into := make([]any, len(fields)), make([]any, len(fields))
	for i := range raw {
		into[i] = &raw[i]
	}
	if err := scan(into...); err != nil {
		return nil, err
	}
	v := Values{}
	for i, f := range fields {
		switch value := raw[i].(type) {
		case nil:
		case []byte:
			v[f.Name] = string(value)
		case time.Time:
			v[f.Name] = value.Format(time.DateOnly)
		case float64:
			v[f.Name] = strconv.FormatFloat(value, 'f', -1, 64)
		default:
			v[f.Name] = fmt.Sprint(value)
		}
	}
	return v, nil
}

// Load implements Table.
func (t SQLTable) Load(
	ctx context.Context, tx *sql.Tx, key string, fields []Field,
) (same string, v Values, err error) {
	if t.Dialect == sqldb.SQLite {
		// A transaction that reads first might not be allowed to write later.
		if _, err := t.place().Exec(ctx, tx, `UPDATE `+t.Name+` SET `+t.Key+` = `+t.Key+` WHERE 1 = 0`); err != nil {
			return "", nil, err
		}
	}
	found := false
	err = t.place().Each(ctx, tx, func(scan func(...any) error) (err error) {
		found = true
		v, err = scanValues(func(into ...any) error { return scan(append([]any{&same}, into...)...) }, fields)
		return err
	}, `SELECT CAST(`+t.Key+` AS TEXT), `+names(fields)+` FROM `+t.Name+` WHERE `+t.Key+` = ? {update}`, key)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return same, v, err
}

// Save implements Table.
func (t SQLTable) Save(ctx context.Context, tx *sql.Tx, key string, v Values, fields []Field) error {
	var set []string
	var args []any
	for _, f := range fields {
		if value, ok := v[f.Name]; ok {
			set, args = append(set, f.Name+" = ?"), append(args, t.argument(f, value))
		}
	}
	if len(set) == 0 {
		return nil
	}
	_, err := t.place().Exec(ctx, tx, `UPDATE `+t.Name+` SET `+strings.Join(set, ", ")+` WHERE `+t.Key+` = ?`,
		append(args, key)...)
	return err
}

// argument returns a value as its column takes it.
func (t SQLTable) argument(f Field, value string) any {
	if value == "" {
		if slices.Contains(t.NotNull, f.Name) {
			return ""
		}
		return nil
	}
	if t.Dialect == sqldb.SQLite {
		switch f.Kind {
		case KindBool:
			return value == "true"
		case KindNumber:
			n, _ := strconv.ParseFloat(value, 64) // it is in the form of its kind
			return n
		}
	}
	return value
}

// Keys implements Table.
func (t SQLTable) Keys(ctx context.Context, db *sql.DB, after string, limit int) (keys []string, err error) {
	err = t.place().Each(ctx, db, func(scan func(...any) error) error {
		var key string
		err := scan(&key)
		keys = append(keys, key)
		return err
	}, `SELECT CAST(`+t.Key+` AS TEXT) FROM `+t.Name+` WHERE `+t.keyText()+` > ? ORDER BY `+t.keyText()+` LIMIT ?`,
		after, limit)
	return keys, err
}
