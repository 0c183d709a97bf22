import Architectures
import Foundation
import Imaging
import TensorCore
import Testing

@Suite struct PageSourceTests {
  let folder: Folder
  let pictures: DataFolder
  let box: Polygon = [Point(10, 8), Point(50, 8), Point(50, 20), Point(10, 20)]

  init() throws {
    folder = try Folder()
    for name in ["img_1", "img_2"] {
      try folder.write(page(width: 80, height: 60, [box]).encoded(as: .png), "img/\(name).png")
    }
    pictures = try DataFolder(folder("img"))
  }

  private func source(_ format: PageFormat, _ annotations: String, _ problems: DataProblems? = nil) throws -> PageSource
  {
    try PageSource(
      format, annotations: annotations, pictures: pictures, problems: problems ?? DataProblems(name: "pages"))
  }

  @Test func icdar() throws {
    try folder.write(
      "\u{FEFF}10,8,50,8,50,20,10,20,a, b,c\r\n1,2,3,2,3,4,1,4,###\n5,6,7,6,7,8,5\n", "gt/gt_img_1.txt")
    try folder.write("1.5,2,3,2,3,4,1,4,x\n", "gt/gt_img_2.txt")
    let problems = DataProblems(name: "pages", tolerance: 0.5)
    let pages = try source(.icdar2015, folder("gt"), problems)
    #expect(pages.count == 2)
    let first = try pages.sample(0)
    #expect(first.instances.map(\.text) == ["a, b,c", "###"])
    #expect(first.instances.map(\.isIgnored) == [false, true])
    #expect(first.instances[0].polygon == box)
    #expect(first.image.channels == 3)
    #expect(try pages.sample(1).instances[0].polygon[0] == Point(1.5, 2))
    #expect(problems.messages.count == 1 && problems.messages[0].contains("gt_img_1.txt:3: "))
  }

  @Test func JSONLines() throws {
    let path = try folder.write(
      #"""
      {"file_name": "img_1.png", "height": 60, "width": 80, "annotations": [\#
      {"iscrowd": 1, "category_id": 1, "bbox": [10, 8, 40, 12], "segmentation": [[10, 8, 50, 8, 50, 20, 10, 20]]}, \#
      {"bbox": [1, 2, 3, 4]}]}
      {"file_name": "img_2.png", "annotations": [{"polygon": [10, 8, 50, 8, 50, 20, 10, 20], "text": "hi"}, \#
      {"polygon": [1, 2]}]}
      """#, "lines.txt")
    let problems = DataProblems(name: "pages", tolerance: 0.5)
    let pages = try source(.lines, path, problems)
    #expect(try pages.sample(0).instances.map(\.isIgnored) == [true, false])
    #expect(try pages.sample(0).instances[1].polygon == [Point(1, 2), Point(4, 2), Point(4, 6), Point(1, 6)])
    #expect(try pages.sample(1).instances.map(\.text) == ["hi"])
    #expect(problems.messages[0].contains("lines.txt:2, annotation 1: "))
  }

  @Test func coco() throws {
    let path = try folder.write(
      #"""
      {"images": [{"id": 7, "file_name": "img_2.png", "width": 80, "height": 60}], "categories": [],
       "annotations": [{"image_id": 7, "iscrowd": 0, "segmentation": [[10, 8, 50, 8, 50, 20, 10, 20]]},
                       {"image_id": 8, "segmentation": [[0, 0, 1, 0, 1, 1, 0, 1]]}]}
      """#, "instances.json")
    let problems = DataProblems(name: "pages", tolerance: 0.5)
    let pages = try source(.coco, path, problems)
    #expect(try pages.sample(0).instances == [TextInstance(polygon: box)])
    #expect(problems.messages[0].contains("annotation 1: its image_id 8"))
    try folder.write("{]", "instances.json")
    #expect(throws: LigatureError.self) { try source(.coco, path) }
  }

  @Test func labelme() throws {
    try folder.write(
      #"""
      {"version": "5", "imagePath": "C:\\x\\img_1.png", "shapes": [
        {"label": "one", "points": [[10, 8], [50, 8], [50, 20], [10, 20]], "shape_type": "polygon"},
        {"label": "###", "points": [[1, 2], [3, 4]], "shape_type": "rectangle"},
        {"label": "two", "points": [[1, 2], [3]], "shape_type": "polygon"}]}
      """#, "labelme/img_1.json")
    let problems = DataProblems(name: "pages", tolerance: 0.5)
    let pages = try source(.labelme, folder("labelme"), problems)
    let sample = try pages.sample(0)
    #expect(sample.instances.map(\.text) == ["one", "###"])
    #expect(sample.instances[1].polygon == [Point(1, 2), Point(3, 2), Point(3, 4), Point(1, 4)])
    #expect(problems.messages[0].contains("img_1.json, shape 2: "))
  }

  @Test func absurdNumbers() throws {
    let path = try folder.write(
      (["1e300", "-1e9", "NaN"].map { "\($0),8,50,8,50,20,10,20,x" } + ["10,8,50,8,50,20,10,20,fine"])
        .joined(separator: "\n"), "gt/gt_img_1.txt")
    let problems = DataProblems(name: "pages", tolerance: 1)
    #expect(try source(.icdar2015, folder("gt"), problems).sample(0).instances.map(\.text) == ["fine"])
    #expect(problems.count == 3 && problems.messages[2].contains("\(path):3"))
  }

  @Test func linesAreCutOut() throws {
    let tilted: Polygon = [Point(20, 30), Point(60, 38), Point(58, 48), Point(18, 40)]
    try folder.write(page(width: 80, height: 60, [box, tilted]).encoded(as: .png), "img/img_1.png")
    try folder.write(
      "10,8,50,8,50,20,10,20,level\n20,30,60,38,58,48,18,40,tilted\n100,100,120,100,120,110,100,110,outside\n"
        + "10,8,50,8,50,20,10,20,###\n", "gt/gt_img_1.txt")
    let problems = DataProblems(name: "pages", tolerance: 0.5)
    let lines = try LineSource(
      source(.icdar2015, folder("gt"), problems), isGrey: true, threads: 2, filter: { $0.uppercased() })
    #expect(lines.count == 2)
    let level = try lines.sample(0)
    #expect(level.text == "LEVEL" && level.image.width == 41 && level.image.height == 13)
    #expect(level.image.pixels.allSatisfy { $0 == 240 })
    let straight = try lines.sample(1)
    #expect(abs(straight.image.width - 41) <= 1 && abs(straight.image.height - 10) <= 1)
    let mean = straight.image.pixels.reduce(0) { $0 + Int($1) } / straight.image.pixels.count
    #expect(mean > 225)
    #expect(problems.messages[0].contains("annotation 2: the polygon has no area inside"))
    #expect(lines.group(0) == lines.group(1))
  }
}
