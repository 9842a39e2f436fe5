/** The exponential moving average of parameters: a teacher that follows its student (data2vec, section 3.2). */

/** teacher = decay teacher + (1 - decay) student, in place. @throws RangeError where they differ in size. */
export function followStudent(teacher: Float32Array, student: Float32Array, decay: number): void {
  if (teacher.length !== student.length)
    throw new RangeError(`a teacher of ${teacher.length} for a student of ${student.length}`)
  for (let i = 0; i < teacher.length; i++)
    teacher[i] = decay * (teacher[i] as number) + (1 - decay) * (student[i] as number)
}

/** From `start` to `end` in a straight line over `updates`, then `end`. */
export function linearDecay(start: number, end: number, updates: number): (update: number) => number {
  return (update) => (update >= updates ? end : end - (end - start) * (1 - update / updates))
}
