; inherits: ecmascript
(abstract_class_declaration name: (_) @name.class) @definition.class
(interface_declaration name: (type_identifier) @name.type) @definition.type
(type_alias_declaration name: (type_identifier) @name.type) @definition.type
(enum_declaration name: (identifier) @name.type) @definition.type
(internal_module name: [(identifier) (nested_identifier)] @name.module) @definition.module
(module name: [(identifier) (nested_identifier)] @name.module) @definition.module
(function_signature name: (identifier) @name.function) @definition.function
(method_signature name: (property_identifier) @name.method) @definition.method
(abstract_method_signature name: (property_identifier) @name.method) @definition.method
(property_signature name: (property_identifier) @name.field) @definition.field
(public_field_definition name: [(property_identifier) (private_property_identifier)] @name.field) @definition.field
(enum_body name: (property_identifier) @name.field @definition.field)
(enum_assignment name: (property_identifier) @name.field) @definition.field

(required_parameter pattern: (identifier) @local)
(optional_parameter pattern: (identifier) @local)

(type_identifier) @reference
