import pc from "picocolors";
import { displayWidth, visible } from "../foundation/text.js";

/** The part of a Node stream that output needs. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

type Colors = ReturnType<typeof pc.createColors>;

/** Where a command's words go: data to stdout, everything else to stderr. */
export interface Output {
  /** Prints lines of data on stdout. */
  data(text: string): void;
  /** Prints one JSON document on stdout. */
  json(value: unknown): void;
  /** Says something to the person, on stderr. */
  note(text: string): void;
  /** Colours for what goes to stdout; plain where NO_COLOR is set or stdout is no terminal. */
  readonly colors: Colors;
  /** The same for stderr. */
  readonly noteColors: Colors;
  /** Whether stderr is a terminal, so that a progress line may be redrawn. */
  readonly interactive: boolean;
  /** Width of the terminal that stdout is, else undefined: cut nothing. */
  readonly columns: number | undefined;
}

/** Output to two sinks. Colour follows NO_COLOR, FORCE_COLOR, TERM and whether each sink is a terminal. */
export function createOutput(stdout: Sink, stderr: Sink, environment: Readonly<NodeJS.ProcessEnv>): Output {
  const [painted, notesPainted] = [wantsColor(stdout, environment), wantsColor(stderr, environment)];
  // A file or a pipe gets the bytes as they are; a terminal would obey some of them.
  const toStdout = (text: string) => void stdout.write(`${stdout.isTTY === true ? visible(text, painted) : text}\n`);
  return {
    data: toStdout,
    json: (value) => toStdout(JSON.stringify(value, undefined, 2)),
    note: (text) => void stderr.write(`${visible(text, notesPainted)}\n`),
    colors: pc.createColors(painted),
    noteColors: pc.createColors(notesPainted),
    interactive: stderr.isTTY === true && environment.TERM !== "dumb",
    columns: stdout.isTTY === true ? stdout.columns : undefined,
  };
}

function wantsColor(sink: Sink, environment: Readonly<NodeJS.ProcessEnv>): boolean {
  if (environment.NO_COLOR) return false;
  if (environment.FORCE_COLOR) return environment.FORCE_COLOR !== "0";
  return sink.isTTY === true && environment.TERM !== "dumb";
}

/** Rows as aligned columns, two spaces apart; numbers in `right` align right; the last column is not padded. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => displayWidth(line[column] ?? ""))));
  return lines.map((line) => line.map((cell, column) => {
    const space = " ".repeat(widths[column]! - displayWidth(cell));
    if (right.includes(column)) return space + cell;
    return column === line.length - 1 ? cell : cell + space;
  }).join("  ").trimEnd()).join("\n");
}

/** A duration for people: 45 s, 3 min, 2 h 05 min. */
export function duration(seconds: number): string {
  if (seconds < 0.95) return "< 1 s";
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** A size for people: 12 kB, 3.4 MB, 1.20 GB. */
export function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** A time of the ledger for people, in UTC. */
export function moment(at: string): string {
  return at.slice(0, 19).replace("T", " ");
}

/** A figure for people, to three digits. */
export function number(value: number): string {
  return Number.isInteger(value) ? String(value) : Math.abs(value) >= 0.001 ? value.toPrecision(3) : value.toExponential(1);
}
