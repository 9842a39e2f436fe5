/** The rows of a PNG image: predictors undone (section 9), bits made samples, interlaced passes put together. */
import { badImage } from './image.js'
import type { PngHeader } from './png.js'

/** Adam7 (section 8): where a pass begins and how far its pixels lie apart, across and down. */
const ADAM7 = [
  { left: 0, top: 0, across: 8, down: 8 },
  { left: 4, top: 0, across: 8, down: 8 },
  { left: 0, top: 4, across: 4, down: 8 },
  { left: 2, top: 0, across: 4, down: 4 },
  { left: 0, top: 2, across: 2, down: 4 },
  { left: 1, top: 0, across: 2, down: 2 },
  { left: 0, top: 1, across: 1, down: 2 },
] as const
const WHOLE = [{ left: 0, top: 0, across: 1, down: 1 }] as const

/** A reduced image: its pixels' places in the whole one, and its bytes, rows without predictors. */
interface Pass {
  readonly left: number
  readonly top: number
  readonly across: number
  readonly down: number
  readonly width: number
  readonly height: number
  readonly rowBytes: number
  readonly data: Uint8Array
}

/** @param filtered as unpacked: a byte for the predictor before each row. @throws UserError where it is too short. */
export function unfilter(filtered: Uint8Array, header: PngHeader): readonly Pass[] {
  const bits = header.depth * header.samples
  const passes: Pass[] = []
  let at = 0
  for (const pass of header.interlaced ? ADAM7 : WHOLE) {
    const width = Math.ceil((header.width - pass.left) / pass.across)
    const height = Math.ceil((header.height - pass.top) / pass.down)
    if (width < 1 || height < 1) continue
    const rowBytes = Math.ceil((width * bits) / 8)
    const length = (rowBytes + 1) * height
    if (at + length > filtered.length) throw badImage('PNG', 'it holds fewer pixels than it says')
    const data = new Uint8Array(rowBytes * height)
    for (let row = 0; row < height; row++) {
      const start = at + row * (rowBytes + 1)
      const line = filtered.subarray(start + 1, start + 1 + rowBytes)
      unfilterRow(filtered[start] ?? 0, line, data, row * rowBytes, Math.max(1, bits >> 3))
    }
    passes.push({ ...pass, width, height, rowBytes, data })
    at += length
  }
  return passes
}

/** @param step bytes from a sample to the one at its left. */
function unfilterRow(filter: number, line: Uint8Array, data: Uint8Array, start: number, step: number): void {
  if (filter > 4) throw badImage('PNG', 'a row has a predictor that does not exist')
  const above = start - line.length
  for (let i = 0; i < line.length; i++) {
    const left = i >= step ? (data[start + i - step] ?? 0) : 0
    const up = above >= 0 ? (data[above + i] ?? 0) : 0
    const corner = above >= 0 && i >= step ? (data[above + i - step] ?? 0) : 0
    const predicted =
      filter === 0
        ? 0
        : filter === 1
          ? left
          : filter === 2
            ? up
            : filter === 3
              ? (left + up) >> 1
              : paeth(left, up, corner)
    data[start + i] = (line[i] ?? 0) + predicted
  }
}

/** Whichever of the three neighbours is nearest to left + up - corner. */
function paeth(left: number, up: number, corner: number): number {
  const toLeft = Math.abs(up - corner)
  const toUp = Math.abs(left - corner)
  const toCorner = Math.abs(left + up - 2 * corner)
  if (toLeft <= toUp && toLeft <= toCorner) return left
  return toUp <= toCorner ? up : corner
}

/** @returns samples [height, width, samples], a byte each. */
export function deinterlace(passes: readonly Pass[], header: PngHeader): Uint8Array {
  const { width, height, samples, depth } = header
  const out = new Uint8Array(width * height * samples)
  for (const pass of passes)
    for (let row = 0; row < pass.height; row++) {
      const from = row * pass.rowBytes
      const to = (pass.top + row * pass.down) * width + pass.left
      for (let column = 0; column < pass.width; column++)
        for (let sample = 0; sample < samples; sample++)
          out[(to + column * pass.across) * samples + sample] = sampleAt(
            pass.data,
            from,
            column * samples + sample,
            depth,
          )
    }
  return out
}

/** A sample of a row; the upper eight bits of sixteen. */
function sampleAt(data: Uint8Array, row: number, number: number, depth: number): number {
  if (depth === 8) return data[row + number] ?? 0
  if (depth === 16) return data[row + 2 * number] ?? 0
  const bit = number * depth
  const shift = 8 - depth - (bit & 7)
  return ((data[row + (bit >> 3)] ?? 0) >> shift) & ((1 << depth) - 1)
}
