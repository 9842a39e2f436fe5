/** The archive of the game Flight of the Amazon Queen: a table of names, then its files; speech is MP3 in `*.SB`. */

export interface TalkieLine {
  readonly name: string
  /** In the archive. */
  readonly offset: number
  readonly size: number
}

const COUNT_AT = 13
const TABLE_AT = 15
const NAME_BYTES = 12
const ENTRY_BYTES = 21
/** About two seconds. */
const LEAST_BYTES = 9000

/** Spoken lines in the table's order. @throws RangeError for a table or a file that reaches beyond the end. */
export function readTalkie(archive: Buffer): readonly TalkieLine[] {
  const lines: TalkieLine[] = []
  const count = archive.readUInt16BE(COUNT_AT)
  for (let i = 0; i < count; i++) {
    const at = TABLE_AT + i * ENTRY_BYTES
    const name = archive.toString('latin1', at, at + NAME_BYTES).replace(/\0.*$/s, '')
    const offset = archive.readUInt32BE(at + NAME_BYTES + 1)
    const size = archive.readUInt32BE(at + NAME_BYTES + 5)
    if (!name.endsWith('.SB') || size <= LEAST_BYTES) continue
    if (offset + size > archive.length) throw new RangeError(`${name} reaches beyond the archive's end`)
    lines.push({ name, offset, size })
  }
  return lines
}
