# A file as a C array: cmake -DINPUT=file -DOUTPUT=file.c -DSYMBOL=name -P embed.cmake writes
#   const unsigned char name[] = {…, 0};  const size_t name_size = bytes without the final zero;
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
       "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include <stddef.h>\n
extern const unsigned char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_size;\n
const unsigned char ${SYMBOL}[] = {\n${bytes}0};\nconst size_t ${SYMBOL}_size = sizeof ${SYMBOL} - 1;\n")
