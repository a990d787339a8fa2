/** A session, as the tools give it. Columns are only ever added to it. */
import { z } from "zod";
import { COLUMNS, type Column, type Type } from "../../model/columns.ts";
import { object, seconds, text } from "./fields.ts";

const TYPES: Record<Type, z.ZodType> = {
  text,
  time: text,
  integer: z.int(),
  short: z.int(),
  seconds,
  texts: z.array(text),
  object,
};

export const session: z.ZodRawShape = Object.fromEntries(
  Object.entries<Column>(COLUMNS).map(([name, column]) => {
    const values = "values" in column ? column.values : undefined;
    const type = values ? z.enum(values) : TYPES[column.type];
    return [name, column.nullable ? type.nullable() : type];
  }),
);
