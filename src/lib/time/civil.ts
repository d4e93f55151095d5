/** Returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar; month from 1. No checks. */
export function daysFromCivil(year: number, month: number, day: number): number {
  // With years that begin in March the leap day is the last one, and month lengths are a linear function.
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yoe = y - era * 400
  const doy = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const doe = yoe * 365 + Math.floor(yoe / 4) - Math.floor(yoe / 100) + doy
  return era * 146097 + doe - 719468
}

function isLeapYear(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

export function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeapYear(year) ? 29 : (MONTH_DAYS[month - 1] ?? 0)
}

/** Returns true when an EventTime can hold the seconds: unsigned 32 bits, to the year 2106. False for NaN. */
export function isEventTime(sec: number): boolean {
  return sec >= 0 && sec <= 0xffffffff
}
