/** A row as its file has it: a JSON value, or why it is none. `line` is its line, in a parquet file its number from 1. */
export type RawRow = { readonly line: number } & ({ readonly value: unknown } | { readonly fault: string });
