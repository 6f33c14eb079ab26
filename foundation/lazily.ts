/** The value that `make` gives, made when it is first asked for. */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** What `make` gives for each key, made when that is first asked for. */
export function lazilyByKey<Key, T>(make: (key: Key) => T): (key: Key) => T {
  const made = new Map<Key, () => T>();
  return (key) => {
    const value = made.get(key) ?? lazily(() => make(key));
    made.set(key, value);
    return value();
  };
}
