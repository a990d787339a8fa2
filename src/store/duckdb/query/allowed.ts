/**
 * What a query may be made of, by the names of DuckDB's parser. All of it works on
 * values alone: nothing here reads or writes a file, a setting, a variable, the
 * catalog or the process. What is not named is refused.
 */

const words = (text: string): ReadonlySet<string> =>
  new Set(text.trim().split(/\s+/));

/** Expressions, by class and type. Windows and comparisons are all of their class. */
export const EXPRESSIONS = words(`
  BETWEEN/COMPARE_BETWEEN CASE/CASE_EXPR CAST/OPERATOR_CAST COLLATE/COLLATE
  COLUMN_REF/COLUMN_REF CONJUNCTION/CONJUNCTION_AND CONJUNCTION/CONJUNCTION_OR
  CONSTANT/VALUE_CONSTANT FUNCTION/FUNCTION STAR/STAR SUBQUERY/SUBQUERY
  POSITIONAL_REFERENCE/POSITIONAL_REFERENCE
  COMPARISON/COMPARE_EQUAL COMPARISON/COMPARE_NOTEQUAL
  COMPARISON/COMPARE_LESSTHAN COMPARISON/COMPARE_GREATERTHAN
  COMPARISON/COMPARE_LESSTHANOREQUALTO COMPARISON/COMPARE_GREATERTHANOREQUALTO
  COMPARISON/COMPARE_DISTINCT_FROM COMPARISON/COMPARE_NOT_DISTINCT_FROM
  OPERATOR/ARRAY_EXTRACT OPERATOR/ARRAY_SLICE OPERATOR/STRUCT_EXTRACT
  OPERATOR/ARRAY_CONSTRUCTOR OPERATOR/COMPARE_IN OPERATOR/COMPARE_NOT_IN
  OPERATOR/GROUPING_FUNCTION OPERATOR/OPERATOR_COALESCE OPERATOR/OPERATOR_NOT
  OPERATOR/OPERATOR_IS_NULL OPERATOR/OPERATOR_IS_NOT_NULL OPERATOR/OPERATOR_NULLIF
  OPERATOR/OPERATOR_TRY
  WINDOW/WINDOW_AGGREGATE WINDOW/WINDOW_RANK WINDOW/WINDOW_RANK_DENSE
  WINDOW/WINDOW_NTILE WINDOW/WINDOW_PERCENT_RANK WINDOW/WINDOW_CUME_DIST
  WINDOW/WINDOW_ROW_NUMBER WINDOW/WINDOW_FIRST_VALUE WINDOW/WINDOW_LAST_VALUE
  WINDOW/WINDOW_LEAD WINDOW/WINDOW_LAG WINDOW/WINDOW_NTH_VALUE WINDOW/WINDOW_FILL
`);

/** Parts of a statement, each with all that may stand in it. */
export const PARTS: Readonly<Record<string, ReadonlySet<string>>> = {
  SELECT_NODE:
    words(`modifiers select_list from_table where_clause having qualify
    aggregate_handling group_expressions group_sets cte_map sample`),
  SET_OPERATION_NODE: words(`modifiers setop_type left right setop_all children
    cte_map`),
  RECURSIVE_CTE_NODE: words(`modifiers cte_name union_all left right aliases
    key_targets cte_map`),
  BASE_TABLE: words("alias table_name column_name_alias sample"),
  SUBQUERY: words("alias subquery column_name_alias sample"),
  JOIN: words(`alias left right condition join_type ref_type using_columns
    column_name_alias is_implicit`),
  EXPRESSION_LIST: words(
    "alias values expected_names expected_types column_name_alias",
  ),
  EMPTY: words("alias"),
  TABLE_FUNCTION: words(
    "alias function column_name_alias with_ordinality sample",
  ),
  SHOW_REF: words("alias query show_type"),
  ORDER_MODIFIER: words("orders"),
  LIMIT_MODIFIER: words("limit offset"),
  LIMIT_PERCENT_MODIFIER: words("limit offset"),
  DISTINCT_MODIFIER: words("distinct_on_targets"),
  ORDER_DEFAULT: words("null_order expression"),
  ASCENDING: words("null_order expression"),
  DESCENDING: words("null_order expression"),
  LIST_TYPE_INFO: words("child_type"),
  ARRAY_TYPE_INFO: words("child_type size"),
  STRUCT_TYPE_INFO: words("child_types"),
  DECIMAL_TYPE_INFO: words("width scale"),
  UNBOUND_TYPE_INFO: words("name"),
};

/** Types that a value may be made into. */
export const TYPES = words(`
  BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER
  UBIGINT UHUGEINT FLOAT DOUBLE DECIMAL VARCHAR BLOB DATE TIME TIMESTAMP
  TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS INTERVAL UUID LIST ARRAY STRUCT MAP NULL
`).union(
  new Set(["TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE"]),
) as ReadonlySet<string>;
/** Types that the parser leaves to be looked up. */
export const NAMED_TYPES = words("json");

/** They give the rows of their arguments. */
export const TABLE_FUNCTIONS = words("range generate_series unnest");

/**
 * Functions of values, aggregates, windows and operators. Left out beside what
 * reaches beyond values: what takes a function (lambdas, list_aggregate), and what
 * may take the square of its input's length or worse, for DuckDB interrupts a query
 * only between two vectors; and what crashes it, or makes the database unusable
 * (json_contains of deep JSON, reservoir_quantile of a large sample).
 */
export const FUNCTIONS = words(`
  + - * / // % ^ ** ! || & | ~ << >> @ -> ->> ^@ @> <@ &&
  ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape

  abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees even exp fdiv floor
  fmod gamma gcd greatest isfinite isinf isnan lcm least lgamma ln log log10 log2
  mod add subtract multiply divide pi pow power radians random round round_even sign
  signbit sin sqrt tan trunc width_bucket xor bit_count hash

  array_to_string ascii base64 bar bin bit_length char_length character_length chr
  concat concat_ws contains decode encode ends_with format format_bytes
  formatreadabledecimalsize formatreadablesize from_base64 from_hex hex instr lcase
  left left_grapheme len length length_grapheme lower lpad ltrim md5 nfc_normalize
  octet_length ord parse_dirname parse_dirpath parse_filename parse_path pg_size_pretty
  position prefix printf regexp_escape regexp_extract regexp_extract_all
  regexp_full_match regexp_matches regexp_replace regexp_split_to_array
  regexp_split_to_table repeat replace reverse right right_grapheme rpad rtrim sha1
  sha256 split split_part starts_with str_split str_split_regex string_split
  string_split_regex string_to_array strip_accents strlen strpos substr substring
  substring_grapheme suffix to_base to_base64 to_binary to_hex translate trim ucase
  unbin unhex unicode upper url_decode url_encode

  age ago century current_date date_add date_diff date_part date_sub date_trunc
  datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear
  days_in_month decade epoch epoch_ms epoch_ns epoch_us era get_current_time
  get_current_timestamp hour isodow isoyear julian last_day make_date make_time
  make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond
  millennium millisecond minute month monthname nanosecond now quarter second
  strftime strptime time_bucket timezone timezone_hour timezone_minute
  to_centuries to_days to_decades to_hours to_microseconds to_millennia
  to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks
  to_years today transaction_timestamp try_strptime week weekday weekofyear year
  yearweek current_localtime current_localtimestamp

  array_append array_cat array_concat array_contains array_distinct array_extract
  array_has array_has_all array_has_any array_indexof array_length
  array_pop_back array_pop_front array_position array_prepend array_push_back
  array_push_front array_reverse array_reverse_sort array_slice array_sort
  array_unique array_value cardinality element_at flatten generate_series
  generate_subscripts list_append list_avg list_bool_and list_bool_or list_cat
  list_concat list_contains list_count list_distinct list_element list_extract
  list_first list_has list_has_all list_has_any list_indexof list_last
  list_max list_median list_min list_pack list_position list_prepend list_reverse
  list_reverse_sort list_slice list_sort list_sum list_string_agg list_unique
  list_value list_zip map map_contains map_entries map_extract map_extract_value
  map_from_entries map_keys map_values range row struct_contains struct_extract
  struct_extract_at struct_keys struct_pack struct_values unnest unpivot_list

  array_to_json json_array json_array_length json_exists json_extract
  json_extract_path json_extract_path_text json_extract_string json_group_array
  json_group_object json_keys json_object json_quote json_type json_valid json_value
  row_to_json to_json

  coalesce constant_or_null error if ifnull nullif typeof gen_random_uuid uuid
  uuidv4 uuidv7 uuid_extract_timestamp uuid_extract_version

  any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max
  arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin
  array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star
  countif covar_pop covar_samp entropy favg first fsum geomean geometric_mean
  group_concat histogram kahan_sum kurtosis kurtosis_pop last list listagg mad max
  max_by mean median min min_by mode product quantile quantile_cont quantile_disc
  regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
  regr_syy sem skewness stddev stddev_pop stddev_samp string_agg
  sum sumkahan var_pop var_samp variance wavg weighted_avg

  cume_dist dense_rank fill first_value lag last_value lead nth_value ntile
  percent_rank rank rank_dense row_number
`);

/** Words that DuckDB takes for a function where there is no column of that name. */
export const CATALOG_WORDS = words("current_catalog current_schema");
