/** What is measured: a published layout, its weights' type, what it is computed with, and the largest piece of work. */

/** A recogniser's window; longer recordings are heard in windows of it. */
const WINDOW_SECONDS = 30
/** A translator hears as much at once. */
const TRANSLATED_SECONDS = 60
/** Two pieces as long as a voice speaks at once, with sentences between. */
const SPOKEN_CHARACTERS = 480
/** More than a model of texts has positions for. */
const TEXT_CHARACTERS = 3000

const BOTH = ['fp32', 'int8']
const EXACT = ['fp32']
/** `diskGB`: room for its checkpoint, and some to spare. */
const kinds = [
  { name: 'base', layout: 'wav2vec2-base', precisions: BOTH, size: WINDOW_SECONDS, diskGB: 0.5 },
  { name: 'xlsr-300m', layout: 'wav2vec2-large', precisions: BOTH, size: WINDOW_SECONDS, diskGB: 1.5 },
  { name: 'mms-1b', layout: 'mms-1b', precisions: BOTH, size: WINDOW_SECONDS, diskGB: 4.5 },
  { name: 'mms-1b-f16', layout: 'mms-1b', dtype: 'F16', precisions: BOTH, size: WINDOW_SECONDS, diskGB: 2.5 },
  { name: 'translator', layout: 'xlsr-mbart', precisions: BOTH, size: TRANSLATED_SECONDS, diskGB: 3.5 },
  { name: 'voice', layout: 'mms-tts', precisions: EXACT, size: SPOKEN_CHARACTERS, diskGB: 0.5 },
  { name: 'text', layout: 'data2vec-text', precisions: BOTH, size: TEXT_CHARACTERS, diskGB: 1 },
  { name: 'vision', layout: 'data2vec-vision', precisions: BOTH, size: 1, diskGB: 0.5 },
  { name: 'asr-small', builtIn: 'asr-small', precisions: EXACT, size: WINDOW_SECONDS },
  { name: 'language-id', builtIn: 'language-id', precisions: EXACT, size: WINDOW_SECONDS },
]

/**
 * Those that are wanted, in their order. @param only names, with `/int8` or `/fp32` behind for one precision alone;
 * all where none is given @throws Error for a name there is not
 */
export function chosen(only) {
  const known = kinds.flatMap(({ name, precisions }) => [
    name,
    ...precisions.map((each) => `${name}/${each}`),
  ])
  const unknown = only.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`no model ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return kinds
    .map((kind) => ({
      dtype: 'F32',
      ...kind,
      precisions: kind.precisions.filter(
        (each) => only.length === 0 || only.includes(kind.name) || only.includes(`${kind.name}/${each}`),
      ),
    }))
    .filter(({ precisions }) => precisions.length > 0)
}
