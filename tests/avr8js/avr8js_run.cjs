/* Runs an AVR program (Intel hex) in avr8js and counts like avr_run.c, which says what the three
 * registers mean: node avr8js_run.cjs NODE_MODULES RAM_BYTES FLASH_BYTES FILE.hex
 *
 * RAM_BYTES are those of the data space from 0x100 on.  The program's text goes to stdout, then a line
 * of JSON: [[instructions, cycles] of each region]. */
"use strict";
const fs = require("fs");
const path = require("path");

const [modules, ramBytes, flashBytes, file] = process.argv.slice(2);
const { CPU, avrInstruction } = require(path.join(modules, "avr8js"));

const MARK = 0x3e, CONSOLE = 0x4a, EXIT = 0x4b;
const BEGIN = 1, END = 2;
const MOST_INSTRUCTIONS = 1e9;

function flash(text, size) {
    const bytes = new Uint8Array(size).fill(0xff);
    let above = 0;
    for (const line of text.split(/\r?\n/).filter((l) => l.startsWith(":"))) {
        const record = Buffer.from(line.slice(1), "hex");
        const [count, high, low, type] = record;
        const data = record.subarray(4, 4 + count);
        if (type === 0) bytes.set(data, above + 256 * high + low);
        if (type === 2) above = 16 * data.readUInt16BE(0);
        if (type === 4) above = 65536 * data.readUInt16BE(0);
    }
    return new Uint16Array(bytes.buffer);
}

const cpu = new CPU(flash(fs.readFileSync(file, "latin1"), Number(flashBytes)), Number(ramBytes));
let mark = 0, code = -1, text = "", executed = 0, begin = null;
const regions = [];
cpu.writeHooks[MARK] = (value) => {
    mark = value;
    cpu.data[MARK] = 0;
    return true;
};
cpu.writeHooks[CONSOLE] = (value) => {
    text += String.fromCharCode(value);
};
cpu.writeHooks[EXIT] = (value) => {
    code = value;
};

while (code < 0) {
    const before = [executed, cpu.cycles];
    avrInstruction(cpu);
    executed += 1;
    if (mark === BEGIN) begin = [executed, cpu.cycles];
    if (mark === END) regions.push([before[0] - begin[0], before[1] - begin[1]]);
    mark = 0;
    if (executed > MOST_INSTRUCTIONS) throw new Error("the program does not end");
}
process.stdout.write(text + JSON.stringify(regions) + "\n");
process.exitCode = code;
