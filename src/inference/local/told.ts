/** What a model's process tells while it works: words that are certain, and how far it has come. */

/** Of sounds in seconds, of texts in pieces. */
export interface Reached {
  readonly done: number
  readonly total: number
}

/** On the far side. */
export interface Tell {
  text(words: string): void
  reached(reached: Reached): void
}

/** On the near side. */
export interface Told {
  /** Words that are certain while more is being heard: parts that make up the text with spaces between them. */
  readonly onText?: (text: string) => void
  readonly onReached?: (reached: Reached) => void
}

/** Over what carries parts (ml/session/service.ts); undefined where nobody listens, and nothing need be told. */
export function tellOver(tell: ((part: unknown) => void) | undefined): Tell | undefined {
  if (tell === undefined) return undefined
  return {
    text: (words) => {
      if (words !== '') tell(words)
    },
    reached: tell,
  }
}

/** Undefined where nobody listens. */
export function partsTo({ onText, onReached }: Told): ((part: unknown) => void) | undefined {
  if (onText === undefined && onReached === undefined) return undefined
  return (part) => {
    if (typeof part === 'string') onText?.(part)
    else onReached?.(part as Reached)
  }
}
