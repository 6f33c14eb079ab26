import protobuf from "protobufjs/minimal.js";

/** Element types of ONNX tensors that Trueline uses, with their numbers in TensorProto. */
const elementTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float64: 11 } as const;

export type ElementType = keyof typeof elementTypes;

/** A tensor in a graph under construction. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
}

/** Sizes; a string names a dimension that is known only when the graph runs. */
export type Shape = readonly (number | string)[];

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array | Int8Array;

/** A number is an integer attribute, `float` marks the others. */
export type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly floats: readonly number[] };

export interface NodeOptions {
  /** Number of outputs; default 1. */
  readonly outputs?: number;
  /** Operator domain; default ONNX's own. */
  readonly domain?: string;
  /** Element type of the outputs; default that of the first input. */
  readonly type?: ElementType;
}

interface Node {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly domain: string;
}

/** A stretch of bytes in the memory of external tensors. */
export interface Place {
  readonly offset: number;
  readonly length: number;
}

/** The file that graphs believe their external tensors to be in. */
export const externalFile = "weights";

/** Domain of ONNX Runtime's own operators. */
export const microsoft = "com.microsoft";

/**
 * Builds an ONNX model (opset 21, com.microsoft 1, IR 10). Values are names with a type; shapes are ONNX Runtime's to
 * infer. `build` leaves out whatever no output depends on: nodes, initializers and inputs.
 */
export class GraphBuilder {
  private readonly nodes: Node[] = [];
  private readonly inputs: { readonly value: Value; readonly shape: Shape }[] = [];
  private readonly outputs: { readonly value: Value; readonly name: string; readonly shape?: Shape }[] = [];
  private readonly initializers = new Map<string, { readonly value: Value; readonly shape: readonly number[]; readonly data: TensorData }>();
  private readonly externals = new Map<string, { readonly value: Value; readonly shape: readonly number[]; readonly place: Place }>();
  private readonly constants = new Map<string, Value>();
  private count = 0;

  /** @param externalsFile the file in which external tensors are, beside the graph's. */
  constructor(private readonly externalsFile: string = externalFile) {}

  input(name: string, type: ElementType, shape: Shape): Value {
    const value = { name, type };
    this.inputs.push({ value, shape });
    return value;
  }

  /** A tensor stored in the model. The data are copied at `build`. `bool` takes Uint8Array with `type`. */
  initializer(name: string, data: TensorData, shape: readonly number[], type: ElementType = elementTypeOf(data)): Value {
    const value = { name, type };
    this.initializers.set(name, { value, shape, data });
    return value;
  }

  /** A float32 tensor whose bytes the session is given beside the model: nothing is copied at `build`. */
  external(name: string, shape: readonly number[], place: Place): Value {
    const value: Value = { name, type: "float32" };
    this.externals.set(name, { value, shape, place });
    return value;
  }

  /** A small initializer, shared among equal ones: a scalar from a number, a vector from an array. */
  constant(of: number | readonly number[], type: ElementType = "float32"): Value {
    const key = `${type} ${JSON.stringify(of, (_, value: unknown) => (typeof value === "number" ? String(value) : value))}`;
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const numbers = typeof of === "number" ? [of] : of;
    const shape = typeof of === "number" ? [] : [of.length];
    const value = this.initializer(this.fresh("constant"), dataOf(numbers, type), shape, type);
    this.constants.set(key, value);
    return value;
  }

  /** Adds a node and returns its (first) output. `undefined` among the inputs stands for an optional one left out. */
  node(
    operator: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: NodeOptions = {},
  ): Value {
    return this.multiple(operator, inputs, attributes, options)[0]!;
  }

  /** Like `node`, for nodes with several outputs: returns all of them. */
  multiple(
    operator: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: NodeOptions = {},
  ): readonly Value[] {
    const type = options.type ?? inputs.find((input) => input !== undefined)?.type ?? "float32";
    const outputs = Array.from({ length: options.outputs ?? 1 }, () => ({ name: this.fresh(operator), type }));
    this.nodes.push({
      operator,
      inputs: inputs.map((input) => input?.name ?? ""),
      outputs: outputs.map((output) => output.name),
      attributes,
      domain: options.domain ?? "",
    });
    return outputs;
  }

  /** Makes a value an output of the graph under a name of the caller's choosing; its shape is for readers of the file. */
  output(value: Value, name: string, shape?: Shape): void {
    this.outputs.push({ value, name, shape });
  }

  /** The serialized ModelProto. */
  build(): Uint8Array {
    const renames = this.outputs.map(({ value, name }): Node => (
      { operator: "Identity", inputs: [value.name], outputs: [name], attributes: {}, domain: "" }));
    const needed = new Set(this.outputs.map(({ name }) => name));
    const live: Node[] = [];
    for (const node of [...this.nodes, ...renames].reverse()) {
      if (!node.outputs.some((name) => needed.has(name))) continue;
      node.inputs.forEach((name) => needed.add(name));
      live.push(node);
    }
    const writer = protobuf.Writer.create();
    writer.uint32(field(1, varint)).int64(10);
    writer.uint32(field(2, bytes)).string("trueline");
    message(writer, 7, () => {
      live.reverse().forEach((node) => writeNode(writer, node));
      writer.uint32(field(2, bytes)).string("graph");
      for (const { value, shape, data } of this.initializers.values()) {
        if (needed.has(value.name)) writeTensor(writer, value, shape, data);
      }
      for (const { value, shape, place } of this.externals.values()) {
        if (needed.has(value.name)) writeExternalTensor(writer, value, shape, { ...place, location: this.externalsFile });
      }
      for (const { value, shape } of this.inputs) if (needed.has(value.name)) writeValueInfo(writer, 11, value, shape);
      for (const { value, name, shape } of this.outputs) writeValueInfo(writer, 12, { name, type: value.type }, shape);
    });
    for (const [domain, version] of [["", 21], [microsoft, 1]] as const) {
      message(writer, 8, () => writer.uint32(field(1, bytes)).string(domain).uint32(field(2, varint)).int64(version));
    }
    return writer.finish();
  }

  private fresh(stem: string): string {
    return `${stem}_${this.count++}`;
  }
}

function elementTypeOf(data: TensorData): ElementType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Int32Array) return "int32";
  return data instanceof Int8Array ? "int8" : "uint8";
}

function dataOf(numbers: readonly number[], type: ElementType): TensorData {
  switch (type) {
    case "float32": return Float32Array.from(numbers);
    case "float64": return Float64Array.from(numbers);
    case "int64": return BigInt64Array.from(numbers, BigInt);
    case "int32": return Int32Array.from(numbers);
    case "int8": return Int8Array.from(numbers);
    case "uint8":
    case "bool": return Uint8Array.from(numbers);
  }
}

// Wire types of protocol buffers, and the field numbers of onnx.proto.
const varint = 0;
const bytes = 2;
const fixed32 = 5;
const field = (number: number, wire: number): number => (number << 3) | wire;

function message(writer: protobuf.Writer, number: number, write: () => void): void {
  writer.uint32(field(number, bytes)).fork();
  write();
  writer.ldelim();
}

function writeNode(writer: protobuf.Writer, node: Node): void {
  message(writer, 1, () => {
    node.inputs.forEach((name) => writer.uint32(field(1, bytes)).string(name));
    node.outputs.forEach((name) => writer.uint32(field(2, bytes)).string(name));
    writer.uint32(field(4, bytes)).string(node.operator);
    Object.entries(node.attributes).forEach(([name, attribute]) => writeAttribute(writer, name, attribute));
    if (node.domain !== "") writer.uint32(field(7, bytes)).string(node.domain);
  });
}

function writeAttribute(writer: protobuf.Writer, name: string, attribute: Attribute): void {
  message(writer, 5, () => {
    writer.uint32(field(1, bytes)).string(name);
    const kind = (type: number): protobuf.Writer => writer.uint32(field(20, varint)).int32(type);
    if (typeof attribute === "number") kind(2).uint32(field(3, varint)).int64(attribute);
    else if (typeof attribute === "string") kind(3).uint32(field(4, bytes)).string(attribute);
    else if ("float" in attribute) kind(1).uint32(field(2, fixed32)).float(attribute.float);
    else if ("floats" in attribute) {
      kind(6);
      attribute.floats.forEach((item) => writer.uint32(field(7, fixed32)).float(item));
    } else {
      kind(7);
      attribute.forEach((item) => writer.uint32(field(8, varint)).int64(item));
    }
  });
}

function writeTensor(writer: protobuf.Writer, value: Value, shape: readonly number[], data: TensorData): void {
  writeTensorWith(writer, value, shape, () => {
    writer.uint32(field(9, bytes)).bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
}

function writeExternalTensor(writer: protobuf.Writer, value: Value, shape: readonly number[], { location, offset, length }: Place & { readonly location: string }): void {
  writeTensorWith(writer, value, shape, () => {
    for (const [key, entry] of Object.entries({ location, offset, length })) {
      message(writer, 13, () => writer.uint32(field(1, bytes)).string(key).uint32(field(2, bytes)).string(String(entry)));
    }
    writer.uint32(field(14, varint)).int32(1);
  });
}

function writeTensorWith(writer: protobuf.Writer, value: Value, shape: readonly number[], writeContent: () => void): void {
  message(writer, 5, () => {
    shape.forEach((size) => writer.uint32(field(1, varint)).int64(size));
    writer.uint32(field(2, varint)).int32(elementTypes[value.type]);
    writer.uint32(field(8, bytes)).string(value.name);
    writeContent();
  });
}

function writeValueInfo(writer: protobuf.Writer, number: number, value: Value, shape?: Shape): void {
  message(writer, number, () => {
    writer.uint32(field(1, bytes)).string(value.name);
    message(writer, 2, () => message(writer, 1, () => {
      writer.uint32(field(1, varint)).int32(elementTypes[value.type]);
      if (shape === undefined) return;
      message(writer, 2, () => shape.forEach((size) => message(writer, 1, () => {
        if (typeof size === "number") writer.uint32(field(1, varint)).int64(size);
        else writer.uint32(field(2, bytes)).string(size);
      })));
    }));
  });
}
