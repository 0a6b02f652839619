// What java.util.zip reads in a zip, twice: by its directory (ZipFile), then by its members as they follow each other
// (ZipInputStream, which sees the local headers alone). A line each: how it was read, the name's UTF-8 in hex, the size,
// and the content's SHA-256.

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

public class ReadZip {
    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(arguments[0]);
        try (ZipFile zip = new ZipFile(path.toFile(), StandardCharsets.UTF_8)) {
            for (ZipEntry entry : zip.stream().toList()) {
                try (InputStream content = zip.getInputStream(entry)) {
                    tell("directory", entry, content);
                }
            }
        }
        try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(path), StandardCharsets.UTF_8)) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                tell("stream", entry, zip);
            }
        }
    }

    private static void tell(String how, ZipEntry entry, InputStream content) throws Exception {
        byte[] bytes = content.readAllBytes();
        if (entry.getSize() != -1 && entry.getSize() != bytes.length) {
            throw new IllegalStateException("the header of " + entry.getName() + " states another size");
        }
        HexFormat hex = HexFormat.of();
        String name = hex.formatHex(entry.getName().getBytes(StandardCharsets.UTF_8));
        String digest = hex.formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        System.out.println(how + " " + name + " " + bytes.length + " " + digest);
    }
}
