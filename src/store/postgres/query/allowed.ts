/**
 * What a query may be made of, by the names of PostgreSQL's own trees and catalog. All
 * of it works on values alone: nothing here reads or writes a file, a setting, the
 * catalog, another database or the process. What is not named is refused.
 */

const words = (text: string): ReadonlySet<string> =>
  new Set(text.trim().split(/\s+/));

/** Parts of a query, by the names of this version and of others. */
export const NODES = words(`
  QUERY RANGETBLENTRY RTE RTEPERMISSIONINFO RANGETBLFUNCTION RANGETBLREF ALIAS
  FROMEXPR JOINEXPR TARGETENTRY SORTGROUPCLAUSE GROUPINGSET WINDOWCLAUSE
  COMMONTABLEEXPR CTESEARCHCLAUSE CTECYCLECLAUSE SETOPERATIONSTMT
  VAR CONST PARAM AGGREF GROUPINGFUNC WINDOWFUNC SUBSCRIPTINGREF FUNCEXPR
  NAMEDARGEXPR OPEXPR DISTINCTEXPR NULLIFEXPR SCALARARRAYOPEXPR BOOLEXPR SUBLINK
  FIELDSELECT RELABELTYPE COERCEVIAIO ARRAYCOERCEEXPR CONVERTROWTYPEEXPR COLLATEEXPR
  COLLATE CASEEXPR CASE WHEN CASEWHEN CASETESTEXPR ARRAYEXPR ARRAY ROWEXPR ROW
  ROWCOMPAREEXPR ROWCOMPARE COALESCEEXPR COALESCE MINMAXEXPR MINMAX
  SQLVALUEFUNCTION NULLTEST BOOLEANTEST
`);

/** Kinds of what stands after FROM: all but table functions of XML and triggers' tables. */
export const RANGES: ReadonlySet<string> = new Set([
  ...["0", "1", "2", "3", "5", "6", "8", "9"],
]);
export const RELATION = "0";

/** Of SQL's own words for values the dates and times come first. */
export const LAST_TIME_WORD = 8;

/** A parameter that is what an expression takes from its own subquery. */
export const SUBQUERY_PARAMETER = "2";

/** Types of values; lists of them, too. */
export const TYPES = words(`
  bool int2 int4 int8 float4 float8 numeric text varchar bpchar char name bytea
  date time timetz timestamp timestamptz interval uuid json jsonb jsonpath
  bit varbit unknown record oid void any anyelement
  int4range int8range numrange tsrange tstzrange daterange
`);

/**
 * Functions of values, aggregates and windows. Left out beside what reaches beyond
 * values: what makes much of little (repeat, lpad, array_fill, factorial), for nothing
 * but the time bounds what a query takes.
 */
export const FUNCTIONS = words(`
  bool int2 int4 int8 float4 float8 numeric text varchar bpchar char name bytea date
  time timetz timestamp timestamptz interval bit varbit json jsonb

  abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil
  ceiling cos cosd cosh cot cotd degrees div exp floor gcd lcm ln log log10 min_scale
  mod pi pow power radians random round scale sign sin sind sinh sqrt tan tand tanh
  trim_scale trunc width_bucket

  ascii bit_count bit_length btrim char_length character_length chr concat concat_ws
  convert_from convert_to decode encode initcap is_normalized left length like
  like_escape lower ltrim md5 normalize notlike octet_length overlay pg_size_pretty
  position quote_ident quote_literal quote_nullable regexp_count regexp_instr
  regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
  regexp_split_to_table regexp_substr replace reverse right rtrim sha224 sha256 sha384
  sha512 similar_to_escape split_part starts_with string_to_array string_to_table
  strpos substr substring to_hex translate unistr upper

  age clock_timestamp date_add date_bin date_part date_subtract date_trunc extract
  isfinite justify_days justify_hours justify_interval make_date make_interval
  make_time make_timestamp make_timestamptz now overlaps statement_timestamp timeofday
  timezone to_char to_date to_number to_timestamp transaction_timestamp

  array_append array_cat array_dims array_length array_lower array_ndims
  array_position array_positions array_prepend array_remove array_replace
  array_to_json array_to_string array_upper cardinality generate_series
  generate_subscripts trim_array unnest

  json_array_elements json_array_elements_text json_array_length json_build_array
  json_build_object json_each json_each_text json_extract_path json_extract_path_text
  json_object json_object_keys json_strip_nulls json_typeof jsonb_array_elements
  jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
  jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert
  jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query
  jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set
  jsonb_strip_nulls jsonb_typeof row_to_json to_json to_jsonb

  gen_random_uuid num_nonnulls num_nulls int4range int8range numrange tsrange tstzrange
  daterange isempty lower_inc upper_inc

  any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop
  covar_samp every json_agg json_object_agg jsonb_agg jsonb_object_agg max min mode
  percentile_cont percentile_disc regr_avgx regr_avgy regr_count regr_intercept
  regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp
  string_agg sum var_pop var_samp variance

  cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank
  rank row_number
`);
